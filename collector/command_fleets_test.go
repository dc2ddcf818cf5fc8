package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/share"
)

// leftBehind makes bucket and stream of a fleet, as the operator signs them.
func leftBehind(t *testing.T, s *natstest.Server, bucket, stream, namespace, name string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.Connect(nats.ReconnectBufSize(1 << 20)))
	if err != nil {
		t.Fatal(err)
	}
	signed(t, js, bucket, stream, namespace, name)
	return js
}

func signed(t *testing.T, js jetstream.JetStream, bucket, stream, namespace, name string) {
	t.Helper()
	metadata := map[string]string{share.MetadataNamespace: namespace, share.MetadataName: name, share.MetadataUID: "uid-" + name}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucket, Metadata: metadata}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: stream, Subjects: []string{stream + ".>"}, Metadata: metadata}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatFleetsLeftBehindIsListedAndRemoved(t *testing.T) {
	s := natstest.Start(t)
	js := leftBehind(t, s, "flowfleet-flows-edge", "flows-flows-edge", "flows", "edge")
	leftBehind(t, s, "flowfleet-flows-core", "flows-flows-core", "flows", "core")
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "orders", Subjects: []string{"orders"}}); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := execute(t, "", append([]string{"fleets"}, append(args, "--server", s.URL())...)...)
		if err != nil {
			out += err.Error()
		}
		return out
	}
	streams := func() (names string) {
		for name := range js.StreamNames(t.Context()).Name() {
			names += name + " "
		}
		return names
	}
	out := run("list")
	for _, want := range []string{"flows/edge", "flows/core", "bucket", "flowfleet-flows-edge", "flows-flows-core", "uid-edge", "never"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "orders") {
		t.Errorf("it lists what is no fleet's:\n%s", out)
	}
	before := streams()
	if out := run("remove", "flows/edge"); !strings.Contains(out, "Nothing is deleted") || strings.Contains(out, "flows/core") || streams() != before {
		t.Errorf("without --yes: %s", out)
	}
	if out := run("remove", "flows/none", "--yes"); !strings.Contains(out, "no bucket or stream says that it is of flows/none") || streams() != before {
		t.Errorf("one that is not there: %s", out)
	}
	if out := run("remove", "edge", "--yes"); !strings.Contains(out, "such as flows/edge") || streams() != before {
		t.Errorf("no namespace: %s", out)
	}
	if out := run("remove", "flows/edge", "--yes"); !strings.Contains(out, "deleted bucket flowfleet-flows-edge\ndeleted stream flows-flows-edge") {
		t.Errorf("removing: %s", out)
	}
	if left := streams(); strings.Contains(left, "edge") || !strings.Contains(left, "KV_flowfleet-flows-core") || !strings.Contains(left, "orders") {
		t.Errorf("left are %s", left)
	}
}

func TestACommandThatNATSDoesNotPermitNamesTheSubjectToGrant(t *testing.T) {
	const bucket, stream = "flowfleet-flows-edge", "flows-flows-edge"
	for _, c := range []struct {
		about   string
		granted []string // beside what the others have
		args    []string
		subject string
		waits   string // for how long, where the command says so
	}{
		{"listing fleets", nil, []string{"fleets", "list"}, "$JS.API.STREAM.LIST", ""},
		{"removing a fleet", []string{"$JS.API.STREAM.LIST"}, []string{"fleets", "remove", "flows/edge", "--yes"}, "$JS.API.STREAM.DELETE." + stream, ""},
		{"templates", nil, []string{"templates", "list", "--bucket", bucket}, "$JS.API.STREAM.INFO.KV_" + bucket, ""},
		{"templates of a bucket that may be seen", []string{"$JS.API.STREAM.INFO.KV_" + bucket}, []string{"templates", "list", "--bucket", bucket},
			"$JS.API.CONSUMER.CREATE.KV_" + bucket, "no answer for 1s"},
		{"names of a bucket that may be seen", []string{"$JS.API.STREAM.INFO.KV_" + bucket}, []string{"names", "list", "--bucket", bucket},
			"$JS.API.CONSUMER.CREATE.KV_" + bucket, "no answer for 1s"},
		{"flows", nil, []string{"tail", "--stream", stream}, "$JS.API.CONSUMER.CREATE." + stream, ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t, natstest.As(append([]string{"$JS.API.INFO"}, c.granted...)))
			js, err := jetstream.New(s.Connect(nats.UserInfo("admin", "admin")))
			if err != nil {
				t.Fatal(err)
			}
			signed(t, js, bucket, stream, "flows", "edge")
			server := strings.Replace(s.URL(), "nats://", "nats://fleet:secret@", 1)
			_, err = execute(t, "", append(c.args, "--server", server, "--timeout", "1s")...)
			if err == nil || !strings.Contains(err.Error(), `Permissions Violation for Publish to "`+c.subject) || !strings.Contains(err.Error(), "grant it") ||
				!strings.Contains(err.Error(), c.waits) {
				t.Errorf("it says %v, where %s is to be granted", err, c.subject)
			}
		})
	}
}

func TestAFleetIsFoundUnderTheNamesOfEarlierVersions(t *testing.T) {
	s := natstest.Start(t)
	// By the names of earlier versions this is also what team-prod/edge had.
	leftBehind(t, s, "flowfleet-team-prod-edge", "flows-team-prod-edge", "team", "prod-edge")
	for _, test := range []struct{ fleet, bucket, stream string }{
		{"team/prod-edge", "No exporter has taught", "no error"},
		{"team-prod/edge", "is of team/prod-edge, and nothing on", "is of team/prod-edge, and nothing on"},
		{"team/none", "there is no bucket flowfleet-team-none", "there is no stream flows-team-none"},
	} {
		say := func(args ...string) string {
			out, err := execute(t, "", append(args, "--server", s.URL(), "--fleet", test.fleet)...)
			if err != nil {
				return out + err.Error()
			}
			return out + "no error"
		}
		if out := say("templates", "list"); !strings.Contains(out, test.bucket) {
			t.Errorf("the bucket of %s: %s", test.fleet, out)
		}
		if test.stream == "no error" {
			continue // tail would wait for flows
		}
		if out := say("tail", "--count", "1"); !strings.Contains(out, test.stream) {
			t.Errorf("the stream of %s: %s", test.fleet, out)
		}
	}
}
