// Package jetstream makes and keeps the bucket, the stream and its consumers of a FlowCollector.
//
// Who owns them stands in their metadata: namespace, name and UID of the FlowCollector.
//   - What is missing is created, owned.
//   - What a collector created (Flowfleet's description, no owner) is claimed.
//   - What belonged to an object of the same namespace and name is taken over: so that an object that was deleted with the
//     policy Retain and is made anew goes on with its bucket. An object of the same name in another cluster looks the same
//     at first; the UIDs of former owners are kept, and who finds its own among them reports a conflict in place of taking
//     it back: it is not fought over.
//   - What belongs to another FlowCollector is a *ConflictError, what is no bucket or stream of ours a *ForeignError.
//   - What somebody else made is used as it is and never changed or deleted: differences are reported.
//
// Of what is owned, settings are raised to what the spec asks for and never lowered unless it allows reduction; what the
// spec says nothing about is left as it is. JetStream has no compare-and-set for configurations: of two that change one
// stream at the same moment the later wins, and the other sees it at its next pass. Settings survive as far as nats.go knows
// them: keep it as new as the servers.
//
// Consumers of the stream are kept by the same rules; no setting of theirs deletes flows, so all may be lowered.
//
// docs/nats.md lists the permissions that the NATS user needs.
package jetstream
