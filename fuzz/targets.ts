// All targets.

import type { Target } from './target.ts'
import { challenges } from './targets/challenges.ts'
import { decompression } from './targets/decompression.ts'
import { deflateNegotiation } from './targets/deflate-negotiation.ts'
import { differential } from './targets/differential.ts'
import { extensionHeader } from './targets/extension-header.ts'
import { frames } from './targets/frames.ts'
import { handshakeRequest } from './targets/handshake-request.ts'
import { handshakeResponse } from './targets/handshake-response.ts'
import { headerGrammar } from './targets/header-grammar.ts'
import { messages } from './targets/messages.ts'
import { pair } from './targets/pair.ts'
import { requestHead } from './targets/request-head.ts'
import { smallMessages } from './targets/small-messages.ts'
import { trace } from './targets/trace.ts'
import { url } from './targets/url.ts'
import { utf8 } from './targets/utf8.ts'

export const targets: readonly Target[] = [
  frames,
  messages,
  utf8,
  requestHead,
  handshakeRequest,
  handshakeResponse,
  headerGrammar,
  extensionHeader,
  challenges,
  deflateNegotiation,
  decompression,
  smallMessages,
  url,
  pair,
  differential,
  trace,
]
