import { type Client, connect, type RpcServer, serve } from "@causeway/ipc";

const api = { greet: (name: string) => `Hello, ${name}!` };

export const startGreeter = (): Promise<RpcServer> => serve("hello", api);

export const connectGreeter = (): Promise<Client<typeof api>> => connect<typeof api>("hello");
