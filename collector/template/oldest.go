package template

const (
	// evictionSample is how many are looked at to find one that was not heard of for long. Like a sampled LRU of a cache: no list to keep in order,
	// and the oldest of 32 random ones is old.
	evictionSample = 32
	// longestLook is at how many it is looked where none of these was heard before what the bucket has.
	longestLook = 1024
)

// Oldest is the key of the one that is to make room: of a few in m, the one that was not heard of for longest. Found is false where none of those
// looked at was heard before than. The unit of heard is the caller's. It is for all memories of what exporters teach.
func Oldest[K comparable, V any](m map[K]V, heard func(V) int64, than int64) (oldest K, found bool) {
	looked := 0
	for k, v := range m {
		if at := heard(v); at < than {
			oldest, than, found = k, at, true
		}
		if looked++; looked >= evictionSample && found || looked == longestLook {
			break
		}
	}
	return oldest, found
}
