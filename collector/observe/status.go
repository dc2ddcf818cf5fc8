package observe

import (
	"net/http"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// statusAge is how old a status may be that is served: making it takes a look at all exporters.
const statusAge = time.Second

// statusHandler serves the collector's status.
type statusHandler struct {
	document func() *status.Document

	mu   sync.Mutex
	made time.Time
	text []byte
	err  error
}

// ServeHTTP serves the status as JSON.
func (h *statusHandler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	if h.made.IsZero() || time.Since(h.made) >= statusAge {
		h.text, h.err = status.Encode(h.document())
		h.made = time.Now()
	}
	text, err := h.text, h.err
	h.mu.Unlock()
	if err != nil {
		respond(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // a client that is gone does not matter
}
