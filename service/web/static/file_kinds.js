// What a chosen file is, as far as its name and first bytes show before anything is sent.

const SAMPLE = 65 * 1024; // a little more than the service looks at, so that it sees that there is more
const COMPRESSED_SAMPLE = 256 * 1024; // a block of Zstandard is read as a whole
const MAX_SOURCE = 200; // characters

const SIGNATURES = [
  { bytes: [0x50, 0x4b, 0x03, 0x04], kind: "zip" },
  { bytes: [0xd0, 0xcf, 0x11, 0xe0], kind: "excel" },
  { bytes: [0x25, 0x50, 0x44, 0x46], kind: "pdf" },
];

const WORKBOOK = [
  ["Excel", "File → Save As → “CSV UTF-8 (Comma delimited)”"],
  ["LibreOffice", "File → Save As → “Text CSV”, with the character set “Unicode (UTF-8)”"],
  ["Google Sheets", "File → Download → “Comma-separated values (.csv)”"],
  ["Numbers", "File → Export To → “CSV…”"],
];

const HELP = {
  excel: {
    title: "This is a workbook. Save it as CSV first",
    words: "Open it, select the sheet with the contacts, and save that sheet:",
    ways: WORKBOOK,
    end: "Then drop the new file here. The workbook itself is not changed.",
  },
  pdf: {
    title: "This is a PDF document, which holds no table that can be read",
    words: "Export the contacts as CSV from the program that made it, and drop that file here.",
  },
  zip: {
    title: "This is a ZIP archive. Unpack it first",
    words: "Then drop the CSV, JSON or NDJSON file that is in it here.",
  },
};

/** The help for a file that cannot be imported as it is, null for others. */
export async function helpFor(file) {
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const found = SIGNATURES.find(({ bytes }) => bytes.every((byte, at) => start[at] === byte));
  if (!found) return null;
  return HELP[found.kind === "zip" && !/\.zip$/i.test(file.name) ? "excel" : found.kind];
}

export const isCompressed = (file) => /\.(gz|zst)$/i.test(file.name);

/** The beginning of a file, as a file of the same name: enough for a preview. */
export function beginning(file) {
  const length = isCompressed(file) ? COMPRESSED_SAMPLE : SAMPLE;
  if (file.size <= length) return file;
  return new File([file.slice(0, length)], file.name, { type: file.type });
}

/** A source's name for a file: its own without extensions, and without what a browser adds to it. */
export function proposedSource(name) {
  const plain = name
    .replace(/\.(gz|zst)$/i, "")
    .replace(/\.[a-z0-9]{1,6}$/i, "")
    .replace(/\s*\(\d+\)$/, "")
    .replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, " ")
    .trim();
  return [...plain].slice(0, MAX_SOURCE).join("");
}
