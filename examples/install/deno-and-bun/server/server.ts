import { serve } from "@causeway/ipc";

await serve("hello", { greet: (name: string) => `Hello, ${name}, from Bun!` });
