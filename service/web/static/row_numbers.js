// Numbers of rows in the file, where they are certain.
//
// If a CSV file has exactly as many lines as records and rows above them, then no record has several
// lines and no line is blank: the row of each record is its number and the rows above.

const MAX_COUNTED = 64 * 1024 * 1024; // bytes
const LF = 10;
const CR = 13;

/**
 * The number of rows above the first record, null if it is not certain.
 * @param {File} file
 * @param {{ format: string, records: number, detected: object | null }} job
 * @param {import("./api.js").Reading} reading
 */
export async function rowsAbove(file, job, reading) {
  const { detected } = job;
  const isCounted = job.format === "csv" && detected && !detected.compression && !/utf-?(16|32)/.test(detected.encoding);
  if (!isCounted || file.size > MAX_COUNTED) return null;
  const above = (detected.skippedRows ?? 0) + (reading.header === "none" ? 0 : 1);
  const lines = await countLines(file);
  const isSepLine = /^\ufeff?sep=/i.test(await file.slice(0, 8).text());
  const extra = lines - job.records - above;
  return extra === 0 || (extra === 1 && isSepLine) ? above + extra : null;
}

async function countLines(file) {
  let ends = 0;
  let returns = 0;
  let last = LF;
  const reader = file.stream().getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    for (const byte of next.value) {
      if (byte === LF) ends += 1;
      else if (byte === CR) returns += 1;
    }
    last = next.value.at(-1) ?? last;
  }
  return (ends || returns) + (last === LF || last === CR ? 0 : 1);
}
