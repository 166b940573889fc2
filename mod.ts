/**
 * Shared-memory IPC for Deno, Bun and Node.
 *
 * Processes of one machine map the same memory and call each other in less than a
 * microsecond: {@linkcode Channel} connects two partners, {@linkcode serve} and
 * {@linkcode connect} a server and its clients.
 *
 * @example
 * ```ts
 * import { serve } from "@causeway/ipc";
 *
 * await using server = await serve("math", { add: (a: number, b: number) => a + b });
 * ```
 *
 * In another process, in the same or another runtime:
 *
 * ```ts
 * import { connect } from "@causeway/ipc";
 *
 * interface Api {
 *   add(a: number, b: number): number;
 * }
 * await using client = await connect<Api>("math");
 * console.log(await client.remote.add(1, 2), client.sync.add(3, 4));
 * ```
 *
 * @module
 */
export { Channel } from "./src/channel/channel.ts";
export type { ChannelOptions, ChannelStatistics } from "./src/channel/channel.ts";
export type { Answer, BytesHandlers, CallContext } from "./src/connection/bytes_handler.ts";
export type { OpenOptions } from "./src/connection/options.ts";
export type { WaitOptions } from "./src/options.ts";
export type {
  ConnectionStatistics,
  ReceiveStatistics,
  SendQueueStatistics,
  SendStatistics,
} from "./src/statistics.ts";
export { SharedMemory } from "./src/share/shared_memory.ts";
export type { SharedMemoryOptions } from "./src/share/shared_memory.ts";
export { SharedArray } from "./src/share/shared_array.ts";
export type {
  SharedArrayOf,
  SharedArrayOptions,
  SharedArrayType,
} from "./src/share/shared_array.ts";
export type {
  ElementName,
  ElementTypes,
  TypedArray,
  TypedArrayConstructor,
} from "./src/share/elements.ts";
export { serve } from "./src/rpc/serve.ts";
export type { ServeOptions } from "./src/rpc/serve.ts";
export { Client, connect } from "./src/rpc/connect.ts";
export type { Calls, ConnectOptions } from "./src/rpc/connect.ts";
export { currentCall } from "./src/rpc/context.ts";
export { RpcServer } from "./src/rpc/server.ts";
export type { RpcServerOptions, ServerOptions, StreamAnswer } from "./src/rpc/server.ts";
export { RpcClient } from "./src/rpc/client.ts";
export type { BytesSource } from "./src/rpc/byte_streams.ts";
export { BaseClient } from "./src/rpc/base_client.ts";
export type { ClientOptions } from "./src/rpc/client_core.ts";
export type {
  Given,
  Received,
  Remote,
  RemoteFunction,
  RemoteOneway,
  RemoteResult,
  RemoteSync,
  Served,
} from "./src/rpc/types.ts";
export { Mutex, MutexGuard } from "./src/sync/mutex.ts";
export { ReadGuard, RwLock, WriteGuard } from "./src/sync/rwlock.ts";
export { Event } from "./src/sync/event.ts";
export type { EventOptions } from "./src/sync/event.ts";
export { Semaphore } from "./src/sync/semaphore.ts";
export type { SemaphoreOptions } from "./src/sync/semaphore.ts";
export type { LockOptions, SyncWaitOptions } from "./src/sync/shared_state.ts";
export { Queue } from "./src/queue/queue.ts";
export type { QueueOptions, TypedQueueOptions } from "./src/queue/queue.ts";
export { Delivery } from "./src/queue/delivery.ts";
export type { RejectOptions } from "./src/queue/delivery.ts";
export type { QueueStatistics } from "./src/queue/core.ts";
export { Publisher } from "./src/topic/publisher.ts";
export type { PublisherOptions, PublisherStatistics } from "./src/topic/publisher.ts";
export { Subscriber } from "./src/topic/subscriber.ts";
export type {
  MessageInfo,
  SubscriberOptions,
  SubscriberStatistics,
  ValuesOptions,
} from "./src/topic/subscriber.ts";
export { Loan } from "./src/topic/loan.ts";
export type { Bytes, Decoded, TopicOptions } from "./src/topic/options.ts";
export type { LagAction, TopicGoneReason } from "./src/topic/subscriber_table.ts";
export type { Codec, FunctionTable, ReferenceType } from "./src/codec/codec.ts";
export { Receiver } from "./src/pipe/receiver.ts";
export type { ReceiveOptions, ReceiverOptions } from "./src/pipe/receiver.ts";
export { Sender } from "./src/pipe/sender.ts";
export type { SenderOptions } from "./src/pipe/sender.ts";
export type { Handlers } from "./src/pipe/message_handler.ts";
export type { PipeOptions } from "./src/pipe/options.ts";
export { array, ElementsView, NestedView } from "./src/codec/array_field.ts";
export { bytes } from "./src/codec/bytes.ts";
export type { BaseField, CompositeField, Field, Place, ScalarField } from "./src/codec/field.ts";
export {
  bool,
  f16,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  u16,
  u32,
  u64,
  u8,
} from "./src/codec/number_fields.ts";
export { ReadBuffer } from "./src/codec/read_buffer.ts";
export { serializer } from "./src/codec/serializer.ts";
export type { SerializerOptions } from "./src/codec/serializer.ts";
export { struct, StructCodec, ViewCursor } from "./src/codec/struct.ts";
export type { Fields, StructValue, StructView } from "./src/codec/struct.ts";
export { fixedBytes, fixedString } from "./src/codec/text_fields.ts";
export type { FixedCodec, TypedCodec } from "./src/codec/typed_codec.ts";
export { WriteBuffer } from "./src/codec/write_buffer.ts";
export { json } from "./src/codec/json.ts";
export { messagePack } from "./src/codec/messagepack.ts";
export * from "./src/errors.ts";
