// The requests that this page has sent, while it is open: their files can be sent again.

/** @type {Map<string, import("./sending.js").Request & { origin?: string }>} */
const requests = new Map();

/** Remembers the request that made an import. */
export function rememberSent(jobId, request) {
  requests.set(jobId, request);
}

/** The request that made an import; undefined if this page has not sent it. */
export const requestOf = (jobId) => requests.get(jobId);
