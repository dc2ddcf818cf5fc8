package wave

import (
	"slices"
	"strings"
	"testing"
)

func TestWhoMayRoll(t *testing.T) {
	ready := func(name string) Fleet { return Fleet{Name: name, State: Waiting, Ready: true} }
	for about, test := range map[string]struct {
		fleets []Fleet
		rules  Rules
		may    []string
		why    string
	}{
		"none waits":                           {[]Fleet{{Name: "a/a", State: Idle}}, Rules{AtOnce: 1}, nil, ""},
		"no bound":                             {[]Fleet{ready("b/b"), ready("a/a"), {Name: "c/c", State: Failed}, {Name: "d/d"}}, Rules{}, []string{"a/a", "b/b"}, ""},
		"one at a time, by name":               {[]Fleet{ready("b/b"), ready("a/b"), ready("a/a")}, Rules{AtOnce: 1}, []string{"a/a"}, "a/a takes it up"},
		"two at a time":                        {[]Fleet{ready("b/b"), ready("a/b"), ready("a/a")}, Rules{AtOnce: 2}, []string{"a/a", "a/b"}, "a/a takes it up, with 1 more"},
		"those that roll count":                {[]Fleet{ready("b/b"), {Name: "a/a", State: Rolling, Why: "1 of 3"}}, Rules{AtOnce: 1}, nil, "a/a takes it up (1 of 3)"},
		"one rolls, two may":                   {[]Fleet{ready("b/b"), ready("c/c"), {Name: "a/a", State: Rolling}}, Rules{AtOnce: 2}, []string{"b/b"}, "a/a takes it up"},
		"more roll than may":                   {[]Fleet{ready("c/c"), {Name: "a/a", State: Rolling}, {Name: "b/b", State: Rolling}}, Rules{AtOnce: 1}, nil, "with 1 more"},
		"what is not Ready comes last":         {[]Fleet{{Name: "a/a", State: Waiting}, ready("b/b")}, Rules{AtOnce: 1}, []string{"b/b"}, "b/b takes it up"},
		"what is between versions comes first": {[]Fleet{ready("a/a"), {Name: "b/b", State: Waiting, Began: true}}, Rules{AtOnce: 1}, []string{"b/b"}, "b/b takes it up"},
		"one that failed stops the wave":       {[]Fleet{ready("b/b"), {Name: "a/a", State: Failed, Why: "StreamFailed"}}, Rules{AtOnce: 5}, nil, "a/a has it and is not well since: StreamFailed"},
		"unless told otherwise":                {[]Fleet{ready("b/b"), {Name: "a/a", State: Failed}}, Rules{AtOnce: 1, PastFailures: true}, []string{"b/b"}, "b/b takes it up"},
		"a failed one may go on to what mends it, others wait": {[]Fleet{ready("a/a"), {Name: "b/b", State: Waiting, Began: true}, {Name: "c/c", State: Failed, Why: "x"}},
			Rules{AtOnce: 2}, []string{"b/b"}, "c/c has it"},
		"after a start all are looked at first": {[]Fleet{ready("a/a"), {Name: "b/b"}}, Rules{AtOnce: 1}, nil, "has just started, and looks at all fleets first (1 to go)"},
	} {
		t.Run(about, func(t *testing.T) {
			for range 2 { // in whatever order they are listed
				may, wait := Turn(test.fleets, test.rules)
				why := ""
				for _, namespace := range []string{"a", "b", "c"} { // the one that is told of has a name for the owners in its namespace only
					if said := wait.For(namespace); len(why) == 0 || strings.HasPrefix(why, "another") {
						why = said
					}
				}
				if !slices.Equal(may, test.may) || !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
					t.Errorf("%v may, because %q; want %v, because %q", may, why, test.may, test.why)
				}
				slices.Reverse(test.fleets)
			}
		})
	}
}

// What fleet of somebody else is in the way, and what is wrong with it, is not everybody's to know.
func TestAWaitNamesFleetsOfTheReadersNamespaceOnly(t *testing.T) {
	theirs := Fleet{Name: "bank/secret", State: Failed, Why: "StreamFailed"}
	own := Fleet{Name: "flows/a", State: Failed, Why: "NATSUnreachable"}
	rolling := Fleet{Name: "bank/secret", State: Rolling, Why: "2 of 3"}
	for about, test := range map[string]struct {
		wait Wait
		want string
	}{
		"another's that failed":   {Wait{Failed: []Fleet{theirs}}, "another fleet has it and is not well since: the administrator of Flowfleet finds it in the operator's log and metrics"},
		"several that failed":     {Wait{Failed: []Fleet{theirs, theirs, theirs}}, "another fleet has it and is not well since, with 2 more: the administrator of Flowfleet finds it in the operator's log and metrics"},
		"one's own among others":  {Wait{Failed: []Fleet{theirs, own}}, "flows/a has it and is not well since, with 1 more: NATSUnreachable"},
		"another's that rolls":    {Wait{Rolling: []Fleet{rolling}}, "another fleet takes it up"},
		"several that roll":       {Wait{Rolling: []Fleet{rolling, rolling}}, "another fleet takes it up, with 1 more"},
		"a namespace that begins": {Wait{Rolling: []Fleet{{Name: "flows-bank/x"}}}, "another fleet takes it up"},
		"nothing":                 {Wait{}, ""},
	} {
		if got := test.wait.For("flows"); got != test.want {
			t.Errorf("%s: %q, want %q", about, got, test.want)
		}
	}
}
