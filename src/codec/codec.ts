// What the rest of the program may ask of the chunk codec (protocols/chunk.md), whichever device does the work.
// The implementation decides on threads, paths and devices; callers decide which bytes belong to a chunk.

/** Largest raw size of a chunk; the format allows no more (protocols/chunk.md, "Limits"). */
export const CHUNK_RAW_BYTES_MAX = 16 * 1024 * 1024

/** How a chunk is encoded; `ans-fast` is ans at level 1, which gives up some size so that decoding costs next to nothing. */
export type ChunkCodec = 'raw' | 'ans' | 'zstd' | 'ans-fast'

/** How the encoder chooses. `auto` samples each chunk; the others force one codec, or `raw` where that is not larger. */
export type CodecChoice = 'auto' | ChunkCodec

/** What a chunk holds, as far as its planner knows; `unknown` asks the encoder to sample. */
export type ElementType = 'unknown' | 'bytes' | 'bf16' | 'fp16' | 'fp32'

/** A contiguous piece of an open file that belongs to a chunk. Ranges of one chunk lie back to back in its raw bytes. */
export interface FileRange {
  /** Open descriptor; must stay open until the call settles. */
  readonly fd: number
  /** Bytes from the start of the file; below 2^53. */
  readonly offset: number
  readonly length: number
}

export interface EncodeOptions {
  readonly codec: CodecChoice
  readonly element: ElementType
  /** zstd level 1..19, used when the choice falls on zstd. */
  readonly zstdLevel: number
}

/** Facts of an encoded chunk, read from its header. */
export interface ChunkInfo {
  readonly codec: ChunkCodec
  /**
   * The hint that the encoder was given; `unknown` for raw and zstd chunks. Encoding the same raw bytes with this codec and
   * this hint makes the same chunk again (not so for `zstd`).
   */
  readonly element: ElementType
  readonly rawBytes: number
  readonly encodedBytes: number
}

/** Ways of doing the work; all make and read the same bytes. `host-warp` runs the kernels for GPUs on the processor: for tests. */
export const CODEC_PATHS = ['avx512', 'avx2', 'neon', 'scalar', 'host-warp'] as const
export type CodecPath = (typeof CODEC_PATHS)[number]

/** What encodes and decodes ans chunks. `auto` takes a GPU where that is faster; `cuda` nothing else. */
export type DeviceChoice = 'auto' | 'cpu' | 'cuda'

/** Which code runs, for summaries and `doctor`; a forced path that is missing is an error, never a silent substitute. */
export interface CodecStatus {
  /** What encodes and decodes ans chunks; `host-warp` stands for a GPU in tests. */
  readonly device: 'cpu' | 'cuda' | 'host-warp'
  readonly path: CodecPath
  readonly threads: number
}

/**
 * All calls run off the event loop and settle exactly once. Buffers belong to the codec while a call is under way and to
 * the caller afterwards; none is kept. Failures are SwarmErrors: `integrity` (blame `peer`) for bytes that are no valid chunk,
 * `diskFull`, `diskPermission`, `diskFailed` for positional reads and writes, `sourceChanged` for a short read.
 */
export interface Codec {
  readonly status: CodecStatus

  /** Largest encoded size of a chunk with `rawBytes` raw bytes. */
  maxEncodedBytes(rawBytes: number): number

  /** Fills `raw` from `ranges`, whose lengths sum to `raw.length`. */
  read(ranges: readonly FileRange[], raw: Uint8Array): Promise<void>

  /** Encodes `raw` into `out` (at least `maxEncodedBytes(raw.length)`); resolves with the encoded size. */
  encode(raw: Uint8Array, out: Uint8Array, options: EncodeOptions): Promise<number>

  /** read() then encode() in one trip to a worker thread. */
  readAndEncode(ranges: readonly FileRange[], raw: Uint8Array, out: Uint8Array, options: EncodeOptions): Promise<number>

  /** Checks the header of an encoded chunk without decoding it. Synchronous: a few hundred bytes are read. */
  inspect(encoded: Uint8Array): ChunkInfo

  /** Decodes into `raw`, whose length must be the chunk's raw size, and checks the CRC32C of the result. */
  decode(encoded: Uint8Array, raw: Uint8Array): Promise<void>

  /**
   * decode() then positional writes of the result. `ranges` are the places of the raw bytes in files; a range may
   * repeat raw bytes (`rawOffset`), because equal content is stored once. Nothing is written before the check passed.
   * `raw` is scratch memory: what it holds afterwards depends on the device.
   */
  restore(encoded: Uint8Array, raw: Uint8Array, ranges: readonly RestoreRange[]): Promise<void>

  /** Encodes and decodes built-in samples; throws `integrity` (blame `local`) when this machine gets them wrong. */
  selfTest(): Promise<void>

  /** Refuses new work, waits for what is under way. */
  close(): Promise<void>
}

/** What Node's own `fs` cannot do exactly, from the same addon. */
export interface FileSystemCalls {
  /**
   * Sets the modification time of a file, directory or symbolic link (never followed) to the nanosecond.
   * Synchronous: one system call. Throws `diskPermission` or `diskFailed`.
   */
  setModifiedTime(path: Uint8Array, seconds: number, nanos: number): void

  /** Writes every cached page of the file system that holds the open descriptor to its disk, off the event loop. */
  syncFileSystem(fd: number): Promise<void>

  /**
   * Reads parts of many files into `raw`, one after the other, if each is still the file that it should be, before and after. Resolves with the
   * first part that could not be read, whose file is then looked at by other means; undefined: all were. `above`, by default nothing, is put before every
   * path as it is: a folder with its slash.
   */
  readFiles(parts: readonly ReadPart[], raw: Uint8Array, above?: Uint8Array): Promise<number | undefined>

  /** Writes parts of `raw` to files, which are made where there are none. Resolves as above. */
  writeFiles(parts: readonly WrittenPart[], raw: Uint8Array): Promise<number | undefined>

  /** Gives files their modes and times, and then other names, replacing what is no directory. Resolves as above. */
  moveFiles(moves: readonly Move[]): Promise<number | undefined>

  /**
   * What is in a folder, in ascending byte order of names; entries that vanish meanwhile are left out. Throws a system error, with its code.
   */
  listFolder(path: Uint8Array): Promise<readonly Listed[]>
}

/** A time to the nanosecond; `seconds` may be negative, `nanos` is 0 to 999,999,999. */
export interface FileTime {
  readonly seconds: number
  readonly nanos: number
}

export interface ReadPart {
  readonly path: Uint8Array
  readonly offset: number
  readonly length: number
  /** What the file was when it was listed, which it must still be; undefined where the reader proves the bytes by their hash. */
  readonly listed: Pick<Listed, 'size' | 'changed' | 'modified'> | undefined
}

export interface WrittenPart {
  readonly path: Uint8Array
  readonly offset: number
  readonly rawOffset: number
  readonly length: number
}

export interface Move {
  readonly from: Uint8Array
  readonly to: Uint8Array
  /** Permission bits. */
  readonly mode: number
  readonly modified: FileTime
}

export interface Listed {
  readonly name: Buffer
  /** Type and permissions, as stat has them. */
  readonly mode: number
  readonly size: number
  readonly modified: FileTime
  readonly changed: FileTime
}

export interface RestoreRange extends FileRange {
  /** Where in the chunk's raw bytes this range starts. */
  readonly rawOffset: number
}
