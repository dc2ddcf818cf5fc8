package jetstream

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowfleet/flowfleet/collector/share"
)

// Owner identifies the FlowCollector that a bucket or stream belongs to. It is kept in their metadata.
type Owner struct {
	Namespace, Name string
	// UID of the object: another one for each object of the same name.
	UID string
}

// String is namespace/name.
func (o Owner) String() string { return o.Namespace + "/" + o.Name }

// Keys of the metadata of a stream, and of the stream behind a bucket.
const (
	metadataNamespace = share.MetadataNamespace
	metadataName      = share.MetadataName
	metadataUID       = share.MetadataUID
	// metadataFormer lists the last UIDs before, with commas between.
	metadataFormer = "flowfleet.io/former-uids"
)

// formerKept bounds the list of former UIDs.
const formerKept = 8

// ownerIn reads who owns something from its metadata.
func ownerIn(metadata map[string]string) (o Owner, former []string, ok bool) {
	o = Owner{Namespace: metadata[metadataNamespace], Name: metadata[metadataName], UID: metadata[metadataUID]}
	if list := metadata[metadataFormer]; list != "" {
		former = strings.Split(list, ",")
	}
	return o, former, o.Name != ""
}

// sign writes the owner into metadata, and whom it took over from, if anybody.
func (o Owner) sign(metadata map[string]string) {
	previous, former, owned := ownerIn(metadata)
	metadata[metadataNamespace], metadata[metadataName], metadata[metadataUID] = o.Namespace, o.Name, o.UID
	if owned && previous.UID != "" && previous.UID != o.UID {
		former = append(former, previous.UID)
		metadata[metadataFormer] = strings.Join(former[max(0, len(former)-formerKept):], ",")
	}
}

// target is a bucket, a stream or a consumer.
type target struct {
	kind    string // "bucket", "stream" or "consumer"
	name    string // as the spec has it
	stream  string // as JetStream has it
	section string // of the spec
}

// String is such as "bucket flows".
func (t target) String() string { return t.kind + " " + t.name }

// ConflictError says that a bucket, stream or consumer belongs to another FlowCollector.
type ConflictError struct {
	// Kind is "bucket", "stream" or "consumer".
	Kind, Name string
	// Owner that it belongs to. Where namespace and name are one's own, it is an object of the same name that lives
	// elsewhere, such as in another cluster.
	Owner Owner
	// reason replaces the usual words.
	reason string
}

// Error says whom it belongs to, and what to do.
func (e *ConflictError) Error() string {
	if e.reason != "" {
		return fmt.Sprintf("%s %s %s", e.Kind, e.Name, e.reason)
	}
	return fmt.Sprintf("%s %s belongs to FlowCollector %s: name another one, or delete that FlowCollector first", e.Kind, e.Name, e.Owner)
}

// ForeignError says that a bucket, stream or consumer is nothing that Flowfleet could use.
type ForeignError struct {
	// Kind is "bucket", "stream" or "consumer".
	Kind, Name string
	// Reason says why, as the end of a sentence about it.
	Reason string
}

// Error says what it is, and what to do.
func (e *ForeignError) Error() string { return fmt.Sprintf("%s %s %s", e.Kind, e.Name, e.Reason) }

// relation is how something that exists stands to an owner.
type relation int

const (
	// unowned things were made by somebody else: they are used and never changed.
	unowned relation = iota
	// claimable ones were made by a collector.
	claimable
	// inherited ones belong to an object of the same name that was deleted.
	inherited
	owned
)

// relationTo says how something with this metadata and description stands to an owner; description is what collectors
// give theirs. The error is a *ConflictError.
func (o Owner) relationTo(t target, metadata map[string]string, have, description string) (relation, error) {
	found, former, ok := ownerIn(metadata)
	switch {
	case !ok && have == description:
		return claimable, nil
	case !ok:
		return unowned, nil
	case found.Namespace != o.Namespace || found.Name != o.Name:
		return unowned, &ConflictError{Kind: t.kind, Name: t.name, Owner: found}
	case found.UID == "" && have == description: // signed by a collector, which knows no UID
		return claimable, nil
	case found.UID == o.UID:
		return owned, nil
	case slices.Contains(former, o.UID):
		// A UID never comes back: this object still lives, so the one that took over is no successor.
		return unowned, &ConflictError{Kind: t.kind, Name: t.name, Owner: found, reason: fmt.Sprintf(
			"was taken over by another FlowCollector %s (uid %s), such as one in another cluster: name another one in either; "+
				"if that one is gone, remove the metadata %s of JetStream's stream %s", found, found.UID, metadataFormer, t.stream)}
	}
	return inherited, nil
}
