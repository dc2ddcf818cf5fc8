package schema

import (
	"testing"

	flowpb "github.com/netsampler/goflow2/v2/pb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/flowfleet/flowfleet/collector/flow"
)

func message(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(Descriptor(), &set); err != nil {
		t.Fatal(err)
	}
	file, err := protodesc.NewFile(set.File[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().ByName("FlowMessage")
}

func TestEveryFieldOfGoflow2HasItsNameNumberAndType(t *testing.T) {
	ours, theirs := message(t).Fields(), (&flowpb.FlowMessage{}).ProtoReflect().Descriptor().Fields()
	for i := range theirs.Len() {
		want := theirs.Get(i)
		got := ours.ByNumber(want.Number())
		if got == nil || got.Name() != want.Name() || got.Kind() != want.Kind() || got.Cardinality() != want.Cardinality() {
			t.Errorf("%v is %v", want, got)
		}
	}
	for i := range ours.Len() {
		if f := ours.Get(i); theirs.ByNumber(f.Number()) == nil && f.Number() < flow.FieldNames {
			t.Errorf("%s is not goflow2's and has a number that may become one of goflow2's", f.Name())
		}
	}
}

func TestAReaderOfTheSchemaReadsNamesAndFields(t *testing.T) {
	var r flow.Record
	r.InIf = 5
	for n := range flow.NumNames {
		r.SetName(n, flow.NewText("the "+n.String()))
	}
	r.Extra = []flow.Extra{{Enterprise: 9, ID: 12235, Value: []byte("x")}}
	var e flow.Encoder
	m := dynamicpb.NewMessage(message(t))
	if err := proto.Unmarshal(e.AppendMessage(nil, &r), m); err != nil {
		t.Fatal(err)
	}
	fields := m.Descriptor().Fields()
	for n := range flow.NumNames {
		f := fields.ByNumber(protoreflect.FieldNumber(flow.FieldNames + int(n)))
		if f == nil || string(f.Name()) != n.String() || m.Get(f).String() != "the "+n.String() {
			t.Errorf("%s is %v", n, f)
		}
	}
	if list := m.Get(fields.ByName("fields")).List(); list.Len() != 1 {
		t.Errorf("%d fields", list.Len())
	}
}
