package names

import "testing"

// RFC 6759 section 4.2: behind engine 20 and an enterprise number, the selector has as many bytes as the exporter likes.
func TestAnApplicationIsTheSameInHoweverManyBytes(t *testing.T) {
	const fortinet = 12356
	enterprise := []byte{20, 0, 0, fortinet >> 8, fortinet & 0xff}
	for _, test := range []struct {
		name string
		ids  [][]byte
		want uint64
	}{
		{"engine 3, of 2, 4 and 8 bytes", [][]byte{{3, 53}, {3, 0, 0, 53}, {3, 0, 0, 0, 0, 0, 0, 53}}, 3<<56 | 53},
		{"engine 20, of 6, 7, 9 and 10 bytes", [][]byte{append(enterprise[:5:5], 53), append(enterprise[:5:5], 0, 53), append(enterprise[:5:5], 0, 0, 0, 53),
			append(enterprise[:5:5], 0, 0, 0, 0, 53)}, 20<<56 | fortinet<<32 | 53},
		{"engine 20 with a selector that no number holds", [][]byte{append(enterprise[:5:5], 1, 0, 0, 0, 53)}, 0},
	} {
		for _, id := range test.ids {
			if got := ApplicationNumber(id); got != test.want {
				t.Errorf("%s: %v is %#x, not %#x", test.name, id, got, test.want)
			}
		}
	}
}
