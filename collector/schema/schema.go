// Package schema has what readers of the flows need: the protobuf message as source and as descriptor.
package schema

import _ "embed"

//go:generate go run ./generate

//go:embed flow.proto
var source []byte

//go:embed flow.binpb
var descriptor []byte

// Proto is the source of the message flowpb.FlowMessage with the fields that goflow2's has not.
func Proto() []byte { return source }

// Descriptor is a google.protobuf.FileDescriptorSet with the same message.
func Descriptor() []byte { return descriptor }
