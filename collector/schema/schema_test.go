package schema

import (
	"testing"

	"github.com/bufbuild/protocompile"
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
		r.Names = append(r.Names, flow.NewText(n, "the "+n.String()))
	}
	r.Extra = []flow.Extra{{Enterprise: 9, ID: 12235, Value: []byte("x")}, {ID: 293, List: true, Items: 2}, {Items: 1}, {ID: 82, Value: []byte("y")}}
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
	list := m.Get(fields.ByName("fields")).List()
	if list.Len() != len(r.Extra) {
		t.Fatalf("%d fields, want %d", list.Len(), len(r.Extra))
	}
	for i := range r.Extra {
		want, got := &r.Extra[i], list.Get(i).Message()
		field := func(name string) protoreflect.Value {
			return got.Get(got.Descriptor().Fields().ByName(protoreflect.Name(name)))
		}
		if len(got.GetUnknown()) > 0 || field("enterprise").Uint() != uint64(want.Enterprise) || field("id").Uint() != uint64(want.ID) ||
			string(field("value").Bytes()) != string(want.Value) || field("items").Uint() != uint64(want.Items) ||
			field("list").Bool() != want.List {
			t.Errorf("field %d is %v, want %+v", i, got, want)
		}
	}
}

func TestTheDescriptorIsThatOfTheSource(t *testing.T) {
	files, err := (&protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"flow.proto": string(Proto())}),
	}}).Compile(t.Context(), "flow.proto")
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(Descriptor(), &set); err != nil {
		t.Fatal(err)
	}
	if want := protodesc.ToFileDescriptorProto(files[0]); len(set.File) != 1 || !proto.Equal(set.File[0], want) {
		t.Error("flow.binpb is not flow.proto's: run go generate ./collector/schema")
	}
}
