package jetstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func TestAMissingStreamIsCreatedOwnedAndAsAsked(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	want := flows(func(c *config.Stream) {
		c.MaxAge = config.Duration(time.Minute) // below the window for duplicates
		c.Subjects = []string{"flows.network.edge.>"}
		c.Storage = config.StorageMemory
		c.Retention = config.RetentionWorkQueue
	})
	st := mustStream(t, c, edge, want, false)
	if !st.Created || !st.Managed || st.Replicas != 1 {
		t.Errorf("%+v", st)
	}
	saysNothing(t, st.Kept)
	have := configOf(t, js, "flows")
	if owner, _, _ := ownerIn(have.Metadata); owner != edge {
		t.Errorf("it belongs to %+v", owner)
	}
	// In all else it is what a collector would have made.
	if err := js.DeleteStream(background(t), "flows"); err != nil {
		t.Fatal(err)
	}
	natstest.CreateStream(t, js, streamAsCollectors(want))
	made := configOf(t, js, "flows")
	if diff := cmp.Diff(made, have, cmpopts.IgnoreFields(have, "Metadata")); diff != "" {
		t.Error(diff)
	}
}

func TestAStreamThatACollectorMadeIsClaimed(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	natstest.CreateStream(t, js, streamAsCollectors(flows()))
	c := open(t, s.URL())
	st := mustStream(t, c, edge, flows(), false)
	says(t, st.Changed, "claimed")
	if owner, _, _ := ownerIn(configOf(t, js, "flows").Metadata); owner != edge || !st.Managed || st.Created {
		t.Errorf("%+v belongs to %+v", st, owner)
	}
}

func TestAStreamThatAnAdministratorMadeIsUsedAsItIs(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.network.>"}, Retention: jetstream.InterestPolicy, MaxBytes: 4096})
	before := configOf(t, js, "flows")
	c := open(t, s.URL())
	count := writes(t, s)
	st := mustStream(t, c, edge, flows(func(c *config.Stream) { c.MaxAge = config.Duration(24 * time.Hour) }), true)
	if st.Managed || st.Created {
		t.Errorf("%+v", st)
	}
	saysNothing(t, st.Changed)
	says(t, st.Kept, "subjects: flows.> is not taken in", "never changed")
	says(t, st.Kept, "maxAge is for ever", "output.stream.maxAge says 24h0m0s")
	says(t, st.Kept, "maxBytes is 4Ki", "output.stream.maxBytes says 1Mi")
	says(t, st.Kept, "retention is Interest", "output.stream.retention says Limits", "cannot change")
	var foreign *ForeignError
	if deleted, err := c.DeleteStream(background(t), edge, "flows"); deleted || !errors.As(err, &foreign) {
		t.Errorf("deleted: %t, %v", deleted, err)
	}
	if diff := cmp.Diff(before, configOf(t, js, "flows")); diff != "" {
		t.Error(diff)
	}
	if n := count(c); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestAnUnmanagedStreamIsOnlyLookedAt(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	count := writes(t, s)
	want := flows(func(c *config.Stream) {
		c.Unmanaged = true
		c.Subjects = []string{"flows.network.edge.>"}
	})
	_, err := c.EnsureStream(background(t), edge, want, true)
	if !errors.Is(err, jetstream.ErrStreamNotFound) || !strings.Contains(err.Error(), "output.stream.managed") {
		t.Errorf("%v", err)
	}
	if n := count(c); n != 0 {
		t.Errorf("%d writes", n)
	}
	for _, test := range []struct {
		subjects []string
		kept     []string
		foreign  bool
	}{
		{[]string{"flows.>"}, nil, false},
		{[]string{"flows.*.*.>"}, nil, false},
		{[]string{"flows.*.*.ipfix"}, []string{"subjects: flows.network.edge.> is not taken in"}, false},
		{[]string{"orders.>"}, nil, true},
	} {
		// Other limits are none of our business, whatever the description.
		natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: test.subjects, Description: streamAsCollectors(want).Description, MaxMsgs: 7})
		before := configOf(t, js, "flows")
		st, err := c.EnsureStream(background(t), edge, want, true)
		var foreign *ForeignError
		if errors.As(err, &foreign) != test.foreign || !test.foreign && err != nil {
			t.Errorf("%q: %v", test.subjects, err)
		}
		if st.Managed || st.Created || len(st.Kept) != len(test.kept) {
			t.Errorf("%q: %+v", test.subjects, st)
		}
		if test.kept != nil {
			says(t, st.Kept, test.kept...)
		}
		if diff := cmp.Diff(before, configOf(t, js, "flows")); diff != "" {
			t.Error(diff)
		}
		if err := js.DeleteStream(background(t), "flows"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSettingsOfAStreamAreRaisedAndNeverLoweredUnasked(t *testing.T) {
	type settings = config.Stream
	for _, test := range []struct {
		name                   string
		have, want             func(*settings)
		field                  string
		raised, lowered, stays string
	}{
		{"age", func(c *settings) {
			c.MaxAge, c.DuplicateWindow = config.Duration(time.Minute), config.Duration(time.Minute)
		},
			func(c *settings) {
				c.MaxAge, c.DuplicateWindow = config.Duration(time.Hour), config.Duration(time.Minute)
			}, "MaxAge",
			"maxAge raised from 1m0s to 1h0m0s", "maxAge lowered from 1h0m0s to 1m0s", "maxAge is 1h0m0s, more than the 1m0s of output.stream.maxAge"},
		{"size", func(c *settings) { c.MaxBytes = 1 << 20 }, func(c *settings) { c.MaxBytes = -1 }, "MaxBytes",
			"maxBytes raised from 1Mi to unlimited", "maxBytes lowered from unlimited to 1Mi", "maxBytes is unlimited, more than the 1Mi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t)
			js := administrator(t, s)
			c := open(t, s.URL())
			mustStream(t, c, edge, flows(test.have), false)
			low := configOf(t, js, "flows")
			st := mustStream(t, c, edge, flows(test.want), false)
			if diff := cmp.Diff([]string{test.raised}, st.Changed); diff != "" {
				t.Error(diff)
			}
			high := configOf(t, js, "flows")
			if diff := cmp.Diff(low, high, cmpopts.IgnoreFields(low, test.field)); diff != "" || cmp.Equal(low, high) {
				t.Errorf("raised too much, or nothing: %s", diff)
			}
			st = mustStream(t, c, edge, flows(test.have), false)
			saysNothing(t, st.Changed)
			says(t, st.Kept, test.stays, "output.stream.allowReduction")
			if diff := cmp.Diff(high, configOf(t, js, "flows")); diff != "" {
				t.Error(diff)
			}
			st = mustStream(t, c, edge, flows(test.have), true)
			if diff := cmp.Diff([]string{test.lowered}, st.Changed); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(low, configOf(t, js, "flows")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAgeBelowTheWindowForDuplicatesLowersThatToo(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	if d := configOf(t, js, "flows").Duplicates; d != 2*time.Minute {
		t.Fatalf("the window is %s", d)
	}
	mustStream(t, c, edge, flows(func(c *config.Stream) { c.MaxAge = config.Duration(time.Minute) }), true)
	if d := configOf(t, js, "flows").Duplicates; d != time.Minute {
		t.Errorf("the window is %s", d)
	}
}

func TestAnAgeThatStaysKeepsItsWindowForDuplicates(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	short := flows(func(c *config.Stream) { c.MaxAge = config.Duration(time.Minute) })
	says(t, mustStream(t, c, edge, short, false).Kept, "maxAge")
	if d := configOf(t, js, "flows").Duplicates; d != 2*time.Minute {
		t.Errorf("the window is %s, though the age was not lowered", d)
	}
}

// What somebody set with the nats program stays where the spec does not say it, also when something else of the spec changes.
func TestWhatTheSpecDoesNotSayOfAStreamStaysAsItIs(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	chosen := configOf(t, js, "flows")
	chosen.Discard, chosen.Compression = jetstream.DiscardNew, jetstream.S2Compression
	chosen.MaxAge, chosen.Duplicates = time.Hour, 30*time.Second
	if chosen.RePublish != nil {
		t.Errorf("a new stream publishes flows a second time: %+v", chosen.RePublish)
	}
	chosen.RePublish = &jetstream.RePublish{Source: ">", Destination: "copies.>"}
	if _, err := js.UpdateStream(background(t), chosen); err != nil {
		t.Fatal(err)
	}
	st := mustStream(t, c, edge, flows(), true)
	saysNothing(t, st.Changed)
	saysNothing(t, st.Kept)
	says(t, mustStream(t, c, edge, flows(func(c *config.Stream) { c.MaxBytes = 2 << 20 }), true).Changed, "maxBytes raised")
	if diff := cmp.Diff(chosen, configOf(t, js, "flows"), cmpopts.IgnoreFields(chosen, "MaxBytes")); diff != "" {
		t.Error(diff)
	}
	// What it says is done.
	said := flows(func(c *config.Stream) {
		c.Discard, c.Compression, c.DuplicateWindow = config.DiscardOld, config.CompressionNone, config.Duration(2*time.Minute)
	})
	says(t, mustStream(t, c, edge, said, false).Changed, "discard changed from")
	have := configOf(t, js, "flows")
	if have.Discard != jetstream.DiscardOld || have.Compression != jetstream.NoCompression || have.Duplicates != 2*time.Minute || have.MaxAge != time.Hour {
		t.Errorf("%+v", have)
	}
}

func TestAWindowThatIsLongerThanTheAgeThatAStreamKeepsIsCutAndSaid(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	short := configOf(t, js, "flows")
	short.MaxAge, short.Duplicates = time.Minute, 30*time.Second
	if _, err := js.UpdateStream(background(t), short); err != nil {
		t.Fatal(err)
	}
	st := mustStream(t, c, edge, flows(func(c *config.Stream) { c.DuplicateWindow = config.Duration(time.Hour) }), false)
	says(t, st.Kept, "duplicateWindow", "1h0m0s", "say output.stream.maxAge too")
	if d := configOf(t, js, "flows").Duplicates; d != time.Minute {
		t.Errorf("the window is %s", d)
	}
}

func TestSubjectsAreAddedAndOnlyTakenAwayWhenAllowed(t *testing.T) {
	for _, test := range []struct {
		name          string
		have, want    []string
		allow         bool
		become        []string
		changed, kept string // parts of the only line; empty for none
	}{
		{name: "one more", have: []string{"a.>"}, want: []string{"a.>", "b.>"}, become: []string{"a.>", "b.>"},
			changed: "subjects widened from [a.>] to [a.> b.>]"},
		{name: "other ones", have: []string{"a.>"}, want: []string{"b.>"}, become: []string{"a.>", "b.>"},
			changed: "widened", kept: "a.> is taken in too"},
		{name: "other ones, allowed", have: []string{"a.>"}, want: []string{"b.>"}, allow: true, become: []string{"b.>"},
			changed: "subjects changed from [a.>] to [b.>]"},
		{name: "less", have: []string{"a.>", "b.>"}, want: []string{"a.>"}, become: []string{"a.>", "b.>"}, kept: "b.> is taken in too"},
		{name: "narrower", have: []string{"flows.>"}, want: []string{"flows.network.>"}, become: []string{"flows.>"}, kept: "flows.> is taken in too"},
		{name: "narrower, allowed", have: []string{"flows.>"}, want: []string{"flows.network.>"}, allow: true,
			become: []string{"flows.network.>"}, changed: "changed"},
		{name: "wider", have: []string{"flows.network.>", "b"}, want: []string{"flows.>", "b"}, become: []string{"b", "flows.>"}, changed: "widened"},
		{name: "crossing", have: []string{"f.*.x"}, want: []string{"f.a.*"}, become: []string{"f.*.x"}, kept: "overlaps with f.*.x"},
		{name: "crossing, allowed", have: []string{"f.*.x"}, want: []string{"f.a.*"}, allow: true, become: []string{"f.a.*"}, changed: "changed"},
		{name: "another order", have: []string{"a", "b"}, want: []string{"b", "a"}, become: []string{"a", "b"}},
		{name: "another order, allowed", have: []string{"a", "b"}, want: []string{"b", "a"}, allow: true, become: []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t)
			js := administrator(t, s)
			c := open(t, s.URL())
			mustStream(t, c, edge, flows(func(c *config.Stream) { c.Subjects = test.have }), false)
			want := flows(func(c *config.Stream) { c.Subjects = test.want })
			st := mustStream(t, c, edge, want, test.allow)
			for _, part := range []struct {
				lines []string
				want  string
			}{{st.Changed, test.changed}, {st.Kept, test.kept}} {
				if part.want == "" {
					saysNothing(t, part.lines)
				} else if says(t, part.lines, part.want); len(part.lines) != 1 {
					t.Errorf("%q", part.lines)
				}
			}
			if have := configOf(t, js, "flows").Subjects; !same(have, test.become) {
				t.Errorf("it takes in %q", have)
			}
			count := writes(t, s)
			mustStream(t, c, edge, want, test.allow)
			if n := count(c); n != 0 {
				t.Errorf("%d writes in the second pass", n)
			}
		})
	}
}

func TestStreamsThatCannotTakeFlowsAreForeign(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(*testing.T, jetstream.JetStream)
		reason  string
	}{
		{"another program's", func(t *testing.T, js jetstream.JetStream) {
			natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"orders.>"}})
		}, "takes in [orders.>], nothing of [flows.>]"},
		{"a mirror", func(t *testing.T, js jetstream.JetStream) {
			natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "origin", Subjects: []string{"x"}})
			natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Mirror: &jetstream.StreamSource{Name: "origin"}})
		}, "mirrors stream origin"},
		{"sealed", func(t *testing.T, js jetstream.JetStream) {
			natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "flows", Subjects: []string{"flows.>"}})
			sealed := configOf(t, js, "flows")
			sealed.Sealed = true
			if _, err := js.UpdateStream(background(t), sealed); err != nil {
				t.Fatal(err)
			}
		}, "is sealed"},
		{"subjects of another stream", func(t *testing.T, js jetstream.JetStream) {
			natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "everything", Subjects: []string{"flows.>"}})
		}, "stream everything does already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := natstest.Start(t)
			js := administrator(t, s)
			test.prepare(t, js)
			_, err := open(t, s.URL()).EnsureStream(background(t), edge, flows(), true)
			var foreign *ForeignError
			if !errors.As(err, &foreign) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAStreamOfAnotherFlowCollectorIsAConflictAndLeftAlone(t *testing.T) {
	s := natstest.Start(t)
	js := administrator(t, s)
	c := open(t, s.URL())
	mustStream(t, c, other, flows(), false)
	before := configOf(t, js, "flows")
	_, err := c.EnsureStream(background(t), edge, flows(func(c *config.Stream) { c.MaxBytes = -1 }), true)
	var conflict *ConflictError
	if !errors.As(err, &conflict) || conflict.Owner != other || !strings.Contains(err.Error(), "stream flows belongs to FlowCollector network/core") {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(before, configOf(t, js, "flows")); diff != "" {
		t.Error(diff)
	}
}

func TestRetentionIsReportedSinceItIsNotChanged(t *testing.T) {
	s := natstest.Start(t)
	c := open(t, s.URL())
	mustStream(t, c, edge, flows(), false)
	st := mustStream(t, c, edge, flows(func(c *config.Stream) { c.Retention = config.RetentionInterest }), true)
	saysNothing(t, st.Changed)
	says(t, st.Kept, "retention is Limits", "output.stream.retention says Interest")
}
