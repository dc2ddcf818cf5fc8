package lives

import "testing"

// seeds is how many lives are tried of so many that there could be: a few for a quick look, and with the race detector, which has
// each take many times as long and finds the same in all of them.
func seeds(most, few uint64) uint64 {
	if testing.Short() || raceDetector {
		return few
	}
	return most
}
