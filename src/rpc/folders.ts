/**
 * Where servers and their clients meet in the runtime directory.
 *
 * @module
 */

/** Folder of servers. */
export const SERVERS = "rpc";
/** Folder of clients that wait to be let in; apart, so that finding a server stays fast. */
export const CLIENTS = "rpc-clients";
/** What the file name of a server begins with; it ends with the id of its node. */
export const SERVER = "server-";
