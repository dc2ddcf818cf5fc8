package judge

import "testing"

func TestSomeTellsOnceWhatAllEndWith(t *testing.T) {
	const refused = ": connecting to NATS: dial tcp 10.96.0.1:4222: connect: connection refused"
	for name, c := range map[string]struct {
		list []string
		want string
	}{
		"one has its own error": {
			list: []string{"pod a on node n1: not connected" + refused},
			want: "pod a on node n1: not connected" + refused,
		},
		"the same state and error stand once": {
			list: []string{"pod a on node n1: not connected" + refused, "pod b on node n2: not connected" + refused},
			want: "pod a on node n1; pod b on node n2; all of these: not connected" + refused,
		},
		"what differs stays with each": {
			list: []string{"pod a on node n1: not connected, 7 records wait" + refused, "pod b on node n2: not connected, 8 records wait" + refused},
			want: "pod a on node n1: not connected, 7 records wait; pod b on node n2: not connected, 8 records wait; all of these" + refused,
		},
		"errors of their own stay": {
			list: []string{"pod a on node n1: it cannot read: timeout", "pod b on node n2: it cannot read: no responders"},
			want: "pod a on node n1: it cannot read: timeout; pod b on node n2: it cannot read: no responders",
		},
		"a short end is repeated": {
			list: []string{"pod a on node n1: not connected", "pod b on node n1: not connected"},
			want: "pod a on node n1: not connected; pod b on node n1: not connected",
		},
		"those that are not shown do not count": {
			list: []string{"a: x" + refused, "b: x" + refused, "c: x" + refused, "d: timeout", "e: timeout"},
			want: "a; b; c; all of these: x" + refused + "; and 2 more",
		},
		"text of several bytes a letter is not torn": {
			list: []string{"pod a: ü" + refused, "pod b: ö" + refused},
			want: "pod a: ü; pod b: ö; all of these" + refused,
		},
		"a bracket is not torn": {
			list: []string{"pod a: 7 records wait (n1" + refused + ")", "pod b: 8 records wait (n2" + refused + ")"},
			want: "pod a: 7 records wait (n1" + refused + "); pod b: 8 records wait (n2" + refused + ")",
		},
		"none": {},
	} {
		t.Run(name, func(t *testing.T) {
			if got := some(c.list); got != c.want {
				t.Errorf("some tells\n%s\nnot\n%s", got, c.want)
			}
		})
	}
}
