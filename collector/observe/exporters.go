package observe

import (
	"net/http"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// exportersAge is how old figures may be that are served: all pages of one walk come from the same look at the books.
const exportersAge = 3 * time.Second

// exportersHandler serves what is known of exporters, page by page.
type exportersHandler struct {
	exporters func() *status.Exporters

	mu   sync.Mutex
	made time.Time
	all  *status.Exporters
}

// ServeHTTP serves the page after the query "after" as JSON.
func (h *exportersHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	after := r.URL.Query().Get("after")
	h.mu.Lock()
	if h.all == nil || after == "" && time.Since(h.made) >= time.Second || time.Since(h.made) >= exportersAge {
		h.all = h.exporters()
		h.made = time.Now()
	}
	all := h.all
	h.mu.Unlock()
	text, err := status.EncodeExporters(all, after)
	if err != nil {
		respond(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // a client that is gone does not matter
}
