// Every maximum of the exchange, in one place. A value that another node must respect is also in protocols/exchange.md.

const KIB = 1024
const MIB = 1024 * KIB

/** Longest control message: a bitfield of 8,388,608 chunks (64 TiB of 8 MiB chunks) and its envelope. */
export const CONTROL_MESSAGE_BYTES_MAX = MIB + 64 * KIB
/** Control bytes that wait for one peer. A peer that lets more pile up does not read and is dropped. */
export const CONTROL_QUEUE_BYTES_MAX = 8 * MIB
/** Control messages from one peer in one tick; an honest node stays two orders of magnitude below. */
export const CONTROL_MESSAGES_PER_TICK_MAX = 150_000

/** Largest body of a payload frame that is read. */
export const FRAME_BODY_BYTES_MAX = 256 * KIB
/**
 * Body of the payload frames that are sent. With its header and yamux's, of 12 bytes each, it fills one frame of noise. Small, because what
 * else is said on the connection waits for the end of a frame.
 */
export const FRAME_BODY_BYTES = 65_519 - 24
/** The sender waits while more than this lies in the stream's buffer, so that a slow reader costs this and one frame. */
export const PAYLOAD_BUFFER_BYTES_MAX = 64 * KIB
/** Encrypted bytes that wait for the end of a turn of the event loop, to leave in few pieces; a frame and what belongs to it. */
export const CORKED_BYTES_MAX = 64 * KIB
/** Longest range of one request. */
export const REQUEST_BYTES_MAX = 64 * MIB
/** Requests that one peer may have open with another, counted by both ends. */
export const REQUESTS_PER_PEER_MAX = 128

export const HAVE_INDEXES_MAX = 65_536
export const BITFIELD_BYTES_MAX = MIB
export const CLAIMS_PER_MESSAGE_MAX = 4_096
export const CLAIM_HOPS_MAX = 16
export const CLAIM_TIME_TO_LIVE_MS_MAX = 3_600_000
export const PEER_ID_CHARACTERS_MAX = 128
export const CAPABILITIES_MAX = 32
export const CAPABILITY_CHARACTERS_MAX = 64
export const AGENT_VERSION_CHARACTERS_MAX = 128

/** From the connection's opening to both proofs and the payload stream. */
export const ADMISSION_TIMEOUT_MS = 10_000
/** Connections that have not proved membership yet; more are closed at once. */
export const CONNECTIONS_UNADMITTED_MAX = 256
export const CONNECTIONS_MAX = 1_024
/** Connections of one identity, admitted or not. Two is normal when both sides dial at once. */
export const CONNECTIONS_PER_PEER_MAX = 4
/** New connections a second from one address: a rack behind one address joins at once. */
export const CONNECTIONS_PER_HOST_PER_SECOND_MAX = 256
export const STREAMS_PER_CONNECTION_MAX = 8
/**
 * Largest receive window of a stream. Bounds both the rate to a far peer (window / round trip) and what a reader that
 * stalls makes its peer's transport hold.
 */
export const STREAM_WINDOW_BYTES_MAX = 3 * MIB

/** The link's heartbeat: keep-alives, silence, stalls and quotas are counted in ticks. */
export const TICK_MS = 15_000
/** Ticks without a byte from the peer before the link counts as dead. */
export const SILENT_TICKS_MAX = 4
/** Ticks in which the peer took nothing of what waits for it. */
export const STALLED_TICKS_MAX = 4
/** How long a connection that lost to a second one may finish what is open on it. */
export const RETIRE_TIMEOUT_MS = 60_000

/** Offences of one identity (bad frames, floods) before it is refused for as long as this node runs. */
export const STRIKES_MAX = 3
export const REFUSED_PEERS_MAX = 4_096

export const RECORD_BYTES_MAX = 4 * KIB
export const RECORDS_PER_MESSAGE_MAX = 64
/** Records that a newly admitted peer is given, and peers that hear of a new one. */
export const RECORDS_SHARED_MAX = 16
/** After this a node hears of a new one that was told of it and should have dialled it by then. */
export const INTRODUCE_DIALLED_MS = 2_000
/** Records of one peer that are looked at in one tick; the rest is ignored. */
export const RECORDS_HEARD_PER_TICK_MAX = 32
export const ADDRESSES_PER_RECORD_MAX = 16
export const ADDRESS_BYTES_MAX = 256

/** From the offer of a data connection, or its opening, until the other end has taken it. */
export const DATA_CONNECTION_TIMEOUT_MS = 10_000
/** How long a new connection may say nothing before it counts as one of libp2p, which has limits of its own. */
export const DATA_HELLO_TIMEOUT_MS = 2_000
/** Offers on one link: the first, and others where a connection did not come about or has ended. */
export const DATA_OFFERS_MAX = 4
/** How long a node that stops waits for its peers to have what was sent to them. */
export const DATA_FLUSH_TIMEOUT_MS = 1_000

export const DIAL_TIMEOUT_MS = 10_000
export const ADDRESS_DIAL_TIMEOUT_MS = 4_000
export const DIALS_PARALLEL_MAX = 32
export const DIALS_WAITING_MAX = 256
export const DIAL_BACK_ADDRESSES_MAX = 8
export const DIAL_BACK_TIMEOUT_MS = 4_000
/** Dial-backs that one connection may ask for. */
export const DIAL_BACKS_PER_LINK_MAX = 8
/** Of each file that may hold the environment at launch; what follows is not looked at. */
export const LAUNCH_ENVIRONMENT_BYTES_MAX = 256 * KIB
/** Ports tried after the default one is found taken. */
export const LISTEN_PORTS_TRIED_MAX = 20
