package share

import (
	"fmt"
	"strings"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Keys of the metadata of a bucket's stream that say whose it is. The operator writes them, and a collector that makes a bucket.
const (
	MetadataNamespace = "flowfleet.io/namespace"
	MetadataName      = "flowfleet.io/name"
	// MetadataUID is written by the operator only.
	MetadataUID = "flowfleet.io/uid"
)

// OwnerError says that a bucket is another fleet's. What collectors of two fleets learn must not mix: they would decode with each
// other's templates.
type OwnerError struct {
	Bucket string
	// Owner is the fleet that the bucket is of, and Self the one that this collector is of: namespace/name, or nothing for a
	// collector without an operator.
	Owner, Self string
}

// Error says whose the bucket is, and what to do.
func (e *OwnerError) Error() string {
	self := "this collector, which has no templateStore.owner, is of none"
	if e.Self != "" {
		self = "this collector is of " + e.Self
	}
	return fmt.Sprintf("the bucket %s is of the fleet %s and %s: it is neither read nor written; name another bucket in templateStore.bucket",
		e.Bucket, e.Owner, self)
}

// refuse returns an *OwnerError where a bucket with this metadata is another fleet's.
func refuse(c config.TemplateStore, metadata map[string]string) error {
	namespace, name := metadata[MetadataNamespace], metadata[MetadataName]
	if name == "" {
		return nil // nobody's: an administrator made it, or a collector without an operator
	}
	if owner := namespace + "/" + name; owner != c.Owner {
		return &OwnerError{Bucket: c.Bucket, Owner: owner, Self: c.Owner}
	}
	return nil
}

// ownerMetadata is nil for a collector without an operator.
func ownerMetadata(owner string) map[string]string {
	namespace, name, ok := strings.Cut(owner, "/")
	if !ok {
		return nil
	}
	return map[string]string{MetadataNamespace: namespace, MetadataName: name}
}
