// Every bound of the server, by name, in one place, with compile-time checks of how they relate.
// Units come last in a name. What an operator may change is a default here and a variable in
// server/config.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mana_sync::limits {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;

// --- Memory of short texts that is used again (base/spare_strings.h) ---
inline constexpr size_t kSpareStringBytesMin = 256;
inline constexpr size_t kSpareStringBytesMax = 8 * kKiB;
inline constexpr size_t kSpareStringsMax = 256;  // of each thread

// --- HTTP (PROTOCOL 9.3, 2.12) ---
inline constexpr size_t kHeaderBlockBytesMax = 16 * kKiB;
inline constexpr size_t kHeaderCountMax = 100;
inline constexpr size_t kBodyBytesMaxDefault = 10 * kMiB;
// Chunk extensions and trailers of one body, all together; ignored, but not endless.
inline constexpr size_t kChunkOverheadBytesMax = 16 * kKiB;
inline constexpr int64_t kHeadTimeoutMs = 10'000;
inline constexpr int64_t kBodyStallTimeoutMs = 30'000;
inline constexpr int64_t kIdleTimeoutMs = 120'000;
// An answer that the peer does not take.
inline constexpr int64_t kSendStallTimeoutMs = 30'000;
// After the last answer: how long (between two receives, and in all) and how much of what the
// client still sends is taken, so that no reset swallows the answer (PROTOCOL 9.3).
inline constexpr int64_t kLingerTimeoutMs = 5'000;
inline constexpr size_t kLingerBytesMax = 64 * kMiB;
inline constexpr int64_t kLingerTotalTimeoutMs = 30'000;
// Pipelined requests: what waits behind the one that is being answered, and how many answers may
// wait for their reader before the next request is looked at. Each may be passed by one piece.
inline constexpr size_t kPipelinedInputBytesMax = 32 * kKiB;
inline constexpr size_t kPipelinedOutputBytesMax = 1 * kMiB;
// A connection keeps buffers up to this size for its next request, and frees larger ones.
inline constexpr size_t kKeptBufferBytesMax = 4 * kKiB;
// Heads, and what waits behind requests, of all connections that hold more of it than the size
// above; beyond, those that bring more get 503, or are cut off.
inline constexpr size_t kInputBytesMax = 128 * kMiB;
// Request bodies held in memory, all connections together; beyond: 503.
inline constexpr size_t kBodiesBytesMaxDefault = 1024 * kMiB;
// Where there is no room for another, bodies that have been coming for that long make it, the
// oldest first, until a part of the bound is free again. How often they are looked for at most.
inline constexpr int64_t kSlowBodyMs = 10'000;
inline constexpr size_t kBodiesFreedShare = 8;  // the bound divided by this
inline constexpr int64_t kSlowBodiesIntervalMs = 100;
// Past simdjson's need to read beyond the end (SIMDJSON_PADDING).
inline constexpr size_t kBodyPaddingBytes = 64;
// Connections beyond the maximum that are still told so (503); any more are closed at once.
inline constexpr size_t kOverloadConnectionsMax = 1'024;
// The same for those of one address.
inline constexpr size_t kOverloadAddressConnectionsMax = 16;

// --- Connections and receive buffers (net) ---
inline constexpr size_t kConnectionsMaxDefault = 50'000;
inline constexpr size_t kReceiveBufferBytes = 16 * kKiB;
inline constexpr size_t kReceiveBufferCount = 512;  // a power of two (kernel: buffer rings)
inline constexpr unsigned kRingEntries = 4096;
inline constexpr unsigned kRingCompletions = 4 * kRingEntries;
inline constexpr int kListenBacklog = 4096;
// A peer that vanished: what it does not acknowledge is sent again for that long
// (TCP_USER_TIMEOUT).
inline constexpr int kUnacknowledgedTimeoutMs = 60'000;
// A port in use is tried again for that long: after a SIGKILL the kernel still takes the last
// process's ring apart, and the listening socket with it.
inline constexpr int64_t kListenRetryMs = 1'000;
inline constexpr int64_t kListenRetryIntervalMs = 10;
inline constexpr int64_t kAcceptPauseMs = 100;  // after the process ran out of descriptors
inline constexpr size_t kSendPiecesMax = 256;   // of one sendmsg
// Output up to this size is copied into the piece before it, until that piece is as large as the
// second bound: a copy is cheaper than an iovec.
inline constexpr size_t kSmallOutputBytes = 1 * kKiB;
inline constexpr size_t kGatheredPieceBytes = 64 * kKiB;
// What the peers of all sockets have not taken; beyond, those that have had output waiting for
// longest are closed, until a part of this is free again: then not every answer is one too many.
inline constexpr size_t kOutputBytesMaxDefault = 1024 * kMiB;
inline constexpr size_t kOutputFreedShare = 8;  // the bound divided by this
// Output up to this size may be sent by a system call of its own, on which the loop never waits.
inline constexpr size_t kSentAtOnceBytesMax = 16 * kKiB;

// --- WebSockets (PROTOCOL §6) ---
inline constexpr size_t kWebSocketMessageBytesMax = 64 * kKiB;
inline constexpr int64_t kWebSocketPingAfterMs = 30'000;     // of silence
inline constexpr int64_t kWebSocketPongTimeoutMs = 30'000;   // of more silence
inline constexpr int64_t kWebSocketStallTimeoutMs = 30'000;  // of output that nobody takes
// From the close frame to the end: once all is sent, and in all.
inline constexpr int64_t kWebSocketCloseTimeoutMs = 5'000;
inline constexpr int64_t kWebSocketCloseTotalTimeoutMs = 30'000;
inline constexpr size_t kWebSocketReasonBytesMax = 123;  // RFC 6455 §5.5: 125 with the code
// Output that waits for its reader before what the peer sends is looked at; passed by the answers
// to one receive.
inline constexpr size_t kWebSocketOutputBytesMax = 64 * kKiB;
// What incomplete messages hold, of all sockets together; beyond: close 1013.
inline constexpr size_t kWebSocketUnfinishedBytesMax = 256 * kMiB;
inline constexpr size_t kWebSocketReadersKeptMax = 64;  // for the next message of any socket
// From the upgrade to a token that counts (PROTOCOL 6.3), and from its expiry to the end (6.4).
inline constexpr int64_t kWebSocketAuthTimeoutMs = 10'000;
inline constexpr int64_t kWebSocketExpiryGraceMs = 30'000;
// WebSockets that have not shown a token; beyond: 503. A storm of all clients at once passes, since
// each shows its token in the message after the upgrade.
inline constexpr size_t kWebSocketsUnauthenticatedMax = 16'384;

// --- Notices (PROTOCOL 6.2) ---
// What one subscriber is told of, or what waits for one that reads slowly; beyond, it is told to
// pull everything: the names of tables are the client's, and any number of them may change at once.
inline constexpr size_t kNoticeBytesMax = 16 * kKiB;

// --- Server-sent events (PROTOCOL §7) ---
inline constexpr int64_t kHeartbeatIntervalMs = 30'000;
// A follower gets the stream in pages; the next is read when no more than this waits to be sent.
inline constexpr size_t kFollowerPageBytesMax = 256 * kKiB;
inline constexpr size_t kFollowerOutputBytesMax = 64 * kKiB;
inline constexpr size_t kFollowersOutputBytesMax = 256 * kMiB;  // of all; beyond, they wait
// After PostgreSQL could not be read, or all together are too far behind.
inline constexpr int64_t kFollowerRetryMs = 1'000;

// --- Tokens (PROTOCOL 1.2, 1.3) ---
inline constexpr size_t kTokenBytesMax = 14 * kKiB;
inline constexpr size_t kSubjectBytesMax = 255;
inline constexpr int64_t kTokenLeewayS = 30;
inline constexpr size_t kVerifiedTokensMax = 65'536;
inline constexpr size_t kVerifiedTokenBytesMax = 64 * kMiB;  // of all remembered tokens

// --- Rates (PROTOCOL 9.5) ---
inline constexpr int64_t kRequestBurstS = 10;  // a user's rate for that long may come at once
// Users whose last requests are remembered; beyond, the bound divided by the share is forgotten.
inline constexpr size_t kRequestRateUsersMax = 65'536;
inline constexpr size_t kRequestRateFreedShare = 8;

// --- Key set (PROTOCOL 1.4) ---
inline constexpr int64_t kKeySetRefreshMs = 300'000;
inline constexpr int64_t kKeySetUnknownKidIntervalMs = 10'000;
inline constexpr int64_t kKeySetFetchTimeoutMs = 5'000;
inline constexpr size_t kKeySetBytesMax = 1 * kMiB;
inline constexpr int kKeySetRedirectsMax = 3;
inline constexpr size_t kKeyWaitersMax = 1'024;
// Between fetches while no key was ever fetched; doubles from one to the other.
inline constexpr int64_t kKeySetRetryMinMs = 1'000;
inline constexpr int64_t kKeySetRetryMaxMs = 30'000;

// --- Changesets (PROTOCOL 2.10) ---
inline constexpr size_t kNameBytesMax = 1'024;  // table, id
inline constexpr size_t kAppIdBytesMax = 255;
inline constexpr size_t kClientIdBytesMax = 255;  // also origin and spaceId
inline constexpr size_t kJsonDepthMax = 512;      // brackets
// What the numbers of one body come to where they are longer written out than as sent: PostgreSQL
// stores 1e300 in a few bytes, and prints 301 digits.
inline constexpr size_t kNumbersWrittenOutBytesMax = 16 * kMiB;
// What the names of the tables and records of one body's edits come to, each edit's own: where its
// cell must be looked up, it is named. A body that is larger than the quotient may have more.
inline constexpr size_t kEditNamesBytesMax = 64 * kMiB;
inline constexpr size_t kEditNamesPerBodyByteMax = 4;
inline constexpr int kSchemaVersionMax = 1;
inline constexpr int64_t kClockSkewMsDefault = 300'000;  // PROTOCOL 5.7

// --- Answers (PROTOCOL 2.4, 3.2, 5.6) ---
inline constexpr size_t kPushDeltaChangesMax = 5'000;
inline constexpr size_t kPullPageChangesMax = 1'000;
inline constexpr size_t kPullTablesMax = 256;  // named one by one
inline constexpr size_t kAnswerBytesMax = 4 * kMiB;
inline constexpr size_t kConflictsMax = 1'000;
inline constexpr size_t kConflictsBytesMax = 1 * kMiB;

// --- Engine (ARCHITECTURE §4, §6) ---
inline constexpr size_t kCacheBytesDefault = 256 * kMiB;
// The newest changes of a stream that memory holds as they are sent; a part of the cache's budget
// at most. Their blocks grow with the tail.
inline constexpr size_t kTailBytesMax = 2 * kMiB;
inline constexpr size_t kTailCacheShareMax = 8;  // a tail takes at most the budget divided by this
inline constexpr size_t kTailBlockBytesMin = 512;
inline constexpr size_t kTailBlockBytesMax = 64 * kKiB;
// After that many edits, some 20 ms' work, what is left to merge waits for the next tick. A push is
// merged in one go.
inline constexpr ptrdiff_t kMergedEditsPerTickMax = 20'000;
inline constexpr size_t kLoadsAtOnceMax = 8;  // streams that are read into memory at a time
inline constexpr ptrdiff_t kUserLoadsAtOnceMax = 4;
inline constexpr size_t kStreamQueuePushesMax = 1'024;  // waiting pushes of one stream
inline constexpr size_t kWaitingPushesMax = 16'384;     // waiting pushes of all streams
inline constexpr size_t kWaitingPushBytesMax = 256 * kMiB;
inline constexpr int64_t kRequestDeadlineMs = 30'000;  // a request that PostgreSQL keeps waiting

// --- Store (ARCHITECTURE §6) ---
inline constexpr size_t kBatchRowsMax = 1'024;
inline constexpr size_t kBatchBytesMax = 16 * kMiB;  // a single larger unit goes alone
inline constexpr int kBatchesInFlightMax = 2;        // per connection
inline constexpr size_t kReadsInFlightMax = 16;      // per connection
inline constexpr size_t kReadsWaitingMax = 16'384;
inline constexpr size_t kUserReadsWaitingMax = 1'024;
// From then on a read of one user's is not to keep those of others waiting.
inline constexpr int64_t kSlowReadMs = 100;
inline constexpr int64_t kReconnectDelayMinMs = 50;
inline constexpr int64_t kReconnectDelayMaxMs = 1'000;
inline constexpr int64_t kConnectTimeoutMs = 5'000;
// What the machine of PostgreSQL does not acknowledge for that long, however slow PostgreSQL itself
// is, will not arrive: the connection is lost (TCP_USER_TIMEOUT, unless the URL says otherwise).
inline constexpr int kDatabaseUnacknowledgedTimeoutMs = 10'000;
// A batch that failed for a passing reason (serialization, resources) is sent again after this.
inline constexpr int64_t kCommitRetryDelayMinMs = 20;
inline constexpr int64_t kCommitRetryDelayMaxMs = 1'000;
inline constexpr int64_t kReadRetryDelayMs = 100;
// How often the store looks for work past its deadline.
inline constexpr int64_t kDeadlineSweepIntervalMs = 100;
// A second batch joins one in flight only when it is at least this large.
inline constexpr size_t kSecondBatchRowsMin = 256;
// Rows of one stamp, which only other programs write: a page never ends among them (PROTOCOL 10.1).
inline constexpr size_t kTiedRowsMax = 50'000;
// Rows that a page looks at to find those that another client wrote.
inline constexpr size_t kPageScanRowsMax = 10'000;
// Tables of one page that are each read by themselves; of more, the whole stream is looked at. And
// what is read of them all together, in pages.
inline constexpr size_t kPageTablesMax = 16;
inline constexpr size_t kPageTablesReadMax = 4;
// What is taken into memory in one go, while all else on the loop waits: about a millisecond's
// work. A row that is larger comes alone.
inline constexpr size_t kLoadChunkRowsMax = 500;
inline constexpr size_t kLoadChunkBytesMax = 128 * kKiB;
inline constexpr size_t kLookupBytesMax = 64 * kMiB;
// Rows that may be one asked insert: one as a rule, but parts of other inserts may look alike.
inline constexpr size_t kLookupRowsPerInsertMax = 16;
// Asked cells of a record beyond which all its rows are read, once, and not the newest for each;
// and how many are read at most for all of them together before that is done after all.
inline constexpr size_t kLookupCellsOneByOneMax = 16;
inline constexpr size_t kLookupRowsOneByOneMax = 1'024;
// Each statement of a read; PostgreSQL itself ends it.
inline constexpr int64_t kReadStatementTimeoutMs = 10'000;
inline constexpr int64_t kStoreCloseTimeoutMs = 2'000;

// --- Lease (ARCHITECTURE §5) ---
inline constexpr int64_t kLeaseAheadUs = 6'000'000;
inline constexpr int64_t kLeaseRenewIntervalMs = 2'000;
inline constexpr int64_t kLeaseRetryIntervalMs = 500;  // while another process holds it
// An answer about the lease that takes longer, migrations aside, counts as a lost connection.
inline constexpr int64_t kLeaseAnswerTimeoutMs = 5'000;
// A process that held the lease may find its own last session still there; then it is no standby.
inline constexpr int64_t kStandbyAfterMs = 2'000;
// How often a standby finds the holder's session where it was, without a renewal, before it ends
// it. (Looks are counted, and not time: while PostgreSQL stands still nobody can renew.)
inline constexpr int kLeaseIdleLooksMax = 18;
inline constexpr int64_t kLeaseSettleIntervalMs = 50;  // between looks at batches under way
// One's own that have not ended after this are ended: such a session may wait for ever for the rest
// of a batch whose connection went.
inline constexpr int64_t kLeaseSettleTimeoutMs = 10'000;

// --- Log ---
inline constexpr int kLogLinesPerSecondMax = 10;  // of one event

// --- Metrics ---
// Where descriptors are counted one by one.
inline constexpr int64_t kDescriptorListingIntervalMs = 1'000;

// --- Start and shutdown ---
// So long, at most, those who come before PostgreSQL and the keys are there wait to be accepted.
inline constexpr int64_t kStartHoldMs = 2'000;
inline constexpr int64_t kShutdownGraceMs = 10'000;
// For that long, after the end has begun, requests may come on connections that are open: whoever
// sent them could not know. About what the longest ways on Earth take.
inline constexpr int64_t kShutdownQuietMs = 250;

static_assert(kTokenBytesMax < kHeaderBlockBytesMax, "a token must fit into a header block");
static_assert(kHeaderBlockBytesMax <= UINT16_MAX, "offsets into a header block have 16 bits");
static_assert(kShutdownQuietMs < kShutdownGraceMs);
static_assert(kBodyBytesMaxDefault < kBodiesBytesMaxDefault);
static_assert(kKeptBufferBytesMax < kPipelinedInputBytesMax);
static_assert(kHeaderBlockBytesMax + kPipelinedInputBytesMax + kReceiveBufferBytes <
              kInputBytesMax);
static_assert(kSlowBodyMs < kBodyStallTimeoutMs,
              "else one that stalls is closed before it is slow");
static_assert(kFollowersOutputBytesMax < kOutputBytesMaxDefault);
static_assert(kOverloadAddressConnectionsMax < kOverloadConnectionsMax);
static_assert(kLingerTimeoutMs <= kLingerTotalTimeoutMs);
static_assert(kWebSocketCloseTimeoutMs <= kWebSocketCloseTotalTimeoutMs);
static_assert(kWebSocketMessageBytesMax < kWebSocketUnfinishedBytesMax);
static_assert(kNoticeBytesMax <= kWebSocketMessageBytesMax);
static_assert(kFollowerRetryMs < kHeartbeatIntervalMs);
static_assert(kVerifiedTokenBytesMax >= 2 * kTokenBytesMax, "any token can be remembered");
static_assert(kKeySetRetryMaxMs < kKeySetRefreshMs);
static_assert(kPullPageChangesMax <= kPushDeltaChangesMax);
static_assert((kReceiveBufferCount & (kReceiveBufferCount - 1)) == 0);
static_assert(kStreamQueuePushesMax <= kWaitingPushesMax);
static_assert(kUserReadsWaitingMax <= kReadsWaitingMax);
static_assert(kUserLoadsAtOnceMax < kLoadsAtOnceMax);
static_assert(kLeaseRenewIntervalMs * 1000 * 2 < kLeaseAheadUs,
              "a lease must survive one renewal that fails");
static_assert(kLeaseIdleLooksMax * kLeaseRetryIntervalMs >=
                  kLeaseAnswerTimeoutMs + 2 * kLeaseRenewIntervalMs,
              "a holder that is cut off has noticed it when it is succeeded");
static_assert(kConflictsBytesMax < kAnswerBytesMax);
static_assert(kPushDeltaChangesMax < kPageScanRowsMax);
static_assert(kPageScanRowsMax < kTiedRowsMax);
static_assert(kSecondBatchRowsMin <= kBatchRowsMax);
static_assert(kDeadlineSweepIntervalMs * 10 < kRequestDeadlineMs);
static_assert(kReadStatementTimeoutMs < kRequestDeadlineMs);
static_assert(kDatabaseUnacknowledgedTimeoutMs < kRequestDeadlineMs,
              "what was sent into the void is sent again in time");

}  // namespace mana_sync::limits
