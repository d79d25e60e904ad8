// The stations of messages that do not come whole, or not as they are, one behind the other. A connection has them from
// the first such message on: most only ever get small ones, and while they are idle their memory counts.

import type { Compression } from './compression.ts'
import type { ExtensionPipeline } from './extension.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { type Limits, longestEncoded } from './limits.ts'
import { type FrameSink, MessageAssembler } from './message-assembler.ts'
import { MessageCollector, type MessageSink } from './message-collector.ts'
import { type DecoderSink, MessageDecoder } from './message-decoder.ts'
import type { Platform } from './platform.ts'

/** Hold the stations from frames to messages. */
export class Reassembly {
  /** The first station. */
  readonly entry: FrameSink
  readonly assembler: MessageAssembler
  /** Absent when messages travel as they are. */
  readonly decoder: MessageDecoder | undefined
  readonly collector: MessageCollector

  constructor(options: {
    readonly platform: Platform
    readonly limits: Limits
    /** The opcode of messages that are not taken. */
    readonly refused: number
    readonly compression: Compression | undefined
    readonly extensions: ExtensionPipeline | undefined
    readonly sink: MessageSink & DecoderSink
  }) {
    const { platform, limits, compression, extensions, sink } = options
    const collector = new MessageCollector(platform, limits, sink)
    const transformsMessages = extensions?.transformsMessages === true
    if (compression !== undefined || extensions !== undefined) {
      this.decoder = new MessageDecoder({
        platform,
        limits,
        compression,
        extensions: transformsMessages ? extensions : undefined,
        collector,
        sink,
      })
    }
    this.collector = collector
    this.assembler = new MessageAssembler({
      limits,
      refused: options.refused,
      collector,
      decoder: this.decoder,
      sink,
    })
    this.entry =
      extensions?.transformsFrames === true
        ? new FrameDecoder({
            platform,
            extensions,
            maxFrameSize: longestEncoded(limits.maxMessageSize),
            next: this.assembler,
            sink,
          })
        : this.assembler
  }
}
