package jetstream

import (
	"fmt"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Key names a FlowCollector.
type Key struct{ Namespace, Name string }

// String is namespace/name.
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Want is what a FlowCollector wants of NATS. It holds secrets: it is never logged. It is not changed once it was handed over.
type Want struct {
	// Revision is whatever tells the caller which spec and which Secrets this is; findings repeat it. A Want that equals the one
	// before in everything else is not looked at anew because of another Revision.
	Revision string
	Owner    Owner
	// Bucket is nil where nothing is shared, or where it is not to be looked at: the Finding has none then either.
	Bucket *WantBucket
	// Stream likewise.
	Stream *WantStream
}

// WantBucket is a bucket and where it is. With Delete, it is to be deleted if it is the owner's.
type WantBucket struct {
	Server         *Server
	Spec           config.TemplateStore // with its defaults filled in
	AllowReduction bool
	Delete         bool
}

// WantStream is a stream and where it is. With Delete, it is to be deleted if it is the owner's.
type WantStream struct {
	Server         *Server
	Spec           config.Stream // with its defaults filled in
	AllowReduction bool
	// Consumers that the stream is to have, and Removed ones that are to go if they are the owner's.
	Consumers []WantConsumer
	Removed   []string
	Delete    bool
}

// Finding is what the Prober knows of a FlowCollector's bucket and stream. The zero Finding knows nothing.
type Finding struct {
	// Revision of the Want that this is about. While it is not that of the present Want, the present one was not looked at yet.
	Revision string
	// Bucket and Stream are nil where the Want had none.
	Bucket *BucketFinding
	Stream *StreamFinding
}

// BucketFinding is how a bucket was found.
type BucketFinding struct {
	Look
	// Found is what is there. After a look that failed, it is what the last one that found something saw; FoundAt says when: zero for
	// never.
	Found   Bucket
	FoundAt time.Time
}

// StreamFinding is how a stream was found.
type StreamFinding struct {
	Look
	Found   Stream
	FoundAt time.Time
}

// Look is how a look at a bucket or stream went.
type Look struct {
	// Current: this is about the present Want, and not about the one before.
	Current bool
	// At is when the last look ended, zero for never. Next is when the next one is due, at about.
	At, Next time.Time
	// Age is how long ago that was, or for how long the first look has been due. It is of the moment in which the Finding was asked for, by
	// a clock that nobody sets.
	Age time.Duration
	// Since is when the first look in a row ended of which Class was the same as now.
	Since time.Time
	// Failures are looks in a row that did not find what is wanted.
	Failures int
	// Class is ClassNone where what is wanted is there; Deleted: it was to be deleted, and is not there any more.
	Class   Class
	Deleted bool
	// Error says what went wrong and what to do, empty with ClassNone. Without control characters, and at most 1,024 bytes.
	Error string
	// Conflict is whom it belongs to, with ClassConflict.
	Conflict Owner
	// Server is the one that answered, as far as it came to that.
	Server ServerFacts
	// Account is what JetStream lets the account have; nil where the server did not say.
	Account *Account
}

// lasts is for how long a look counts. Failures are looked at anew within a minute and a quarter, and a look itself is bounded: who has not
// come to one in this time does not come to it.
const lasts = 5 * time.Minute

// Overdue says since when nobody has looked, where that is too long for what was found to say anything of now; empty where it is not.
func (l *Look) Overdue() string {
	switch {
	case l.Age <= lasts:
		return ""
	case l.At.IsZero():
		return fmt.Sprintf("the operator has not come to look at NATS itself for more than %s: see its log and its CPU", lasts)
	}
	return fmt.Sprintf("the operator has not come to look at NATS itself since %s: see its log and its CPU", l.At.UTC().Format(time.RFC3339))
}

// Lasts is for how much longer it counts, if no other look comes.
func (l *Look) Lasts() time.Duration { return max(lasts-l.Age, 0) + time.Millisecond }

// Class says what kind of trouble a look met, so that nobody has to read its text.
type Class string

// The classes.
const (
	// ClassNone: there is no trouble.
	ClassNone Class = ""
	// ClassUnreachable: no connection: the name is not resolved, nobody listens, or it is refused.
	ClassUnreachable Class = "Unreachable"
	// ClassSilent: something takes the connection, or is behind it, and does not answer in time.
	ClassSilent Class = "Silent"
	// ClassTLS: one of both sides does not trust the other, or only one wants TLS.
	ClassTLS Class = "TLS"
	// ClassNotNATS: what answers speaks something else, or sends more than any answer may have.
	ClassNotNATS Class = "NotNATS"
	// ClassDenied: the server refuses the credentials.
	ClassDenied Class = "Denied"
	// ClassForbidden: the user lacks a permission that Error names.
	ClassForbidden Class = "Forbidden"
	// ClassNoJetStream: the server, or the account, has none.
	ClassNoJetStream Class = "NoJetStream"
	// ClassNoLeader: the cluster, or the stream, has no quorum.
	ClassNoLeader Class = "NoLeader"
	// ClassStorage: the limits of server or account leave no room.
	ClassStorage Class = "Storage"
	// ClassReplicas: the cluster cannot give as many replicas; what is there goes on.
	ClassReplicas Class = "Replicas"
	// ClassConflict: it belongs to another FlowCollector. Collectors may use it nevertheless.
	ClassConflict Class = "Conflict"
	// ClassForeign: it is nothing that Flowfleet could use.
	ClassForeign Class = "Foreign"
	// ClassMissing: it is not there, and others are to make it.
	ClassMissing Class = "Missing"
	// ClassInvalid: the Server cannot be used as it is; see Server.Check.
	ClassInvalid Class = "Invalid"
	// ClassRefused: the server answered with another error, which Error has.
	ClassRefused Class = "Refused"
)

// Unanswered reports whether nothing is known of bucket or stream, because it did not come to a look at them.
func (c Class) Unanswered() bool {
	switch c {
	case ClassUnreachable, ClassSilent, ClassTLS, ClassNotNATS, ClassDenied, ClassInvalid:
		return true
	}
	return false
}

// Unusable reports whether nobody who connects so could use bucket or stream: what is Unanswered, and where the account has no JetStream or
// the user no rights.
func (c Class) Unusable() bool { return c.Unanswered() || c == ClassNoJetStream || c == ClassForbidden }

// ServerFacts are what a server says of itself, without control characters and each at most 128 bytes: it may say anything.
type ServerFacts struct {
	// URL that was connected to, of those that are named.
	URL string
	// Name, Cluster and Version of the server.
	Name, Cluster, Version string
}

// Account is what JetStream's account has and may have. Limits are -1 where there is none.
type Account struct {
	// Domain of JetStream, empty for none.
	Domain string
	// Memory and Storage (files), in bytes; with tiers, the sums over the tiers (a limit is -1 if one of them is).
	Memory, Storage, MemoryLimit, StorageLimit int64
	// MemoryReserved and StorageReserved are what streams with a maxBytes have for themselves, used or not: what is free for another
	// one is the limit less this.
	MemoryReserved, StorageReserved int64
	// Streams and consumers, and how many there may be.
	Streams, Consumers, StreamsLimit, ConsumersLimit int
	// MemoryStreamLimit and StorageStreamLimit bound one stream, in bytes; 0 where there is no bound.
	MemoryStreamLimit, StorageStreamLimit int64
	// MaxBytesRequired: each stream must have a limit.
	MaxBytesRequired bool
	// Tiers have limits of their own, by number of replicas: "R1", "R3". Empty for accounts without; at most 8.
	Tiers map[string]Tier
}

// Tier is what an account has and may have for streams of one number of replicas, as in Account.
type Tier struct {
	Memory, Storage, MemoryLimit, StorageLimit int64
	Streams, StreamsLimit                      int
}

// Deed is something that was done in NATS, for an event.
type Deed struct {
	// Kind is "bucket", "stream" or "consumer".
	Kind, Name string
	At         time.Time
	Created    bool
	// Deleted: it was there and was the owner's. Left says why it was left where it was to be deleted.
	Deleted bool
	Left    string
	// Changed says, in words, what was claimed, raised or lowered.
	Changed []string
}
