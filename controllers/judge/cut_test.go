package judge

import "testing"

func TestTextsAreCutBetweenCharacters(t *testing.T) {
	for _, test := range []struct {
		text    string
		longest int
		want    string
	}{{"node", 4, "node"}, {"node", 3, "nod"}, {"größe", 3, "gr"}, {"größe", 4, "grö"}, {"", 0, ""}} {
		if got := cut(test.text, test.longest); got != test.want {
			t.Errorf("%q cut to %d bytes is %q, want %q", test.text, test.longest, got, test.want)
		}
	}
}
