package jetstream

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
)

// identity tells servers with their credentials apart. It is a hash: it may be kept and compared, not read.
type identity [sha256.Size]byte

// identity of a Server: the same for all that reach the same servers as the same user.
func (s *Server) identity() identity {
	same := *s
	same.URLs = slices.Sorted(slices.Values(s.URLs))
	text, err := json.Marshal(same)
	if err != nil {
		// It has nothing but strings and bytes.
		panic(fmt.Sprintf("a Server cannot be written as JSON: %v", err))
	}
	return sha256.Sum256(text)
}
