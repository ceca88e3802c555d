// Every bound that the formats of a snapshot set, in one place. protocols/manifest.md explains them to strangers.

export const MANIFEST_VERSION = 0

export const MIB = 1024 * 1024

/** Raw bytes of a chunk unless `--chunk-size` says otherwise. */
export const CHUNK_BYTES_DEFAULT = 8 * MIB
export const CHUNK_BYTES_MIN = 1 * MIB
export const CHUNK_BYTES_MAX = 16 * MIB

/** An encoded chunk may exceed its raw size by this much at most: header and per-segment tables of what does not compress. */
export const ENCODED_OVERHEAD_BYTES_MAX = 64 * 1024

/** Files at least this large start on a chunk boundary; so do tensors inside a `.safetensors` file. */
export const LARGE_FILE_BYTES = 1 * MIB

export const HEAD_BYTES_MAX = 1 * MIB
export const PART_STORED_BYTES_MAX = 4 * MIB
export const PART_MESSAGE_BYTES_MAX = 8 * MIB
/** All part messages of one manifest together: bounds what a reader keeps of paths and targets. */
export const MANIFEST_MESSAGE_BYTES_MAX = 1024 * MIB
export const PARTS_MAX = 16_384
export const ENTRIES_MAX = 8_000_000
export const CHUNKS_MAX = 8_000_000
/** One file in separate chunks of 8 MiB may have 2 TiB. */
export const EXTENTS_PER_FILE_MAX = 262_144
/** Pairs of a file and a chunk that it takes bytes from, over the whole snapshot; 20 bytes of memory each. */
export const PLACES_MAX = 16_777_216

export const PATH_BYTES_MAX = 4096
export const NAME_BYTES_MAX = 255
export const PATH_DEPTH_MAX = 512
export const LINK_TARGET_BYTES_MAX = 4095
/** The twelve permission bits. */
export const MODE_MAX = 0o7777
/** Year 1 to year 9999: what file systems and Date can hold. */
export const MTIME_SECONDS_MIN = -62_135_596_800
export const MTIME_SECONDS_MAX = 253_402_300_799

/** The writer closes an entry part before the entry that would take its message past this. */
export const ENTRY_PART_BYTES_TARGET = 2 * MIB
/** Chunks in one full chunk part; a reader takes no more. */
export const CHUNK_PART_COUNT_MAX = 16_384

/** A safetensors header larger than this is not read; the file is then planned like any other. */
export const SAFETENSORS_HEADER_BYTES_MAX = 100_000_000

export const SNAPSHOT_NAME_LENGTH_MAX = 200
/** Characters of the whole text, which is ASCII. */
export const TICKET_BYTES_MAX = 2048
export const TICKET_ADDRESSES_MAX = 8
export const TICKET_ADDRESS_BYTES_MAX = 256
/** Store URL, endpoint and region, each. */
export const TICKET_STORE_TEXT_BYTES_MAX = 512
export const TICKET_CHECKSUM_BYTES = 4
/** A field with a lower number must be understood by every reader. */
export const TICKET_CRITICAL_FIELDS_END = 64
export const SWARM_KEY_BYTES = 32
