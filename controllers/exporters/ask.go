package exporters

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

const (
	// askTime bounds one question to one collector, and maxPages how many are asked.
	askTime  = 3 * time.Second
	maxPages = 80
	// maxHeader of an answer, in bytes.
	maxHeader = 8 << 10
)

// newClient returns a client that keeps no connections: collectors limit theirs.
func newClient() *http.Client {
	return &http.Client{
		Timeout: askTime,
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, Proxy: nil,
			MaxResponseHeaderBytes: maxHeader, ReadBufferSize: 4 << 10, WriteBufferSize: 1 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// walk reads the pages of one collector in turn, and gives each to take. Pages have to rise, and there are at most maxPages. Of what
// answers, no word stands in an error.
func walk(ctx context.Context, client *http.Client, pod observation.Pod, take func(*status.Exporters)) error {
	after := ""
	for range maxPages {
		page, err := ask(ctx, client, pod, after)
		if err != nil {
			return err
		}
		take(page)
		if page.Next == "" {
			return nil
		}
		if page.Next <= after {
			return fmt.Errorf("asking collector %s: its pages do not end", pod.Name)
		}
		after = page.Next
	}
	return fmt.Errorf("asking collector %s: it has more than %d pages of exporters", pod.Name, maxPages)
}

func ask(ctx context.Context, client *http.Client, pod observation.Pod, after string) (*status.Exporters, error) {
	address := "http://" + net.JoinHostPort(pod.Address, strconv.Itoa(int(pod.Port))) + status.ExportersPath
	if after != "" {
		address += "?after=" + url.QueryEscape(after)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	defer func() { _ = response.Body.Close() }() // everything that is wanted was read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking collector %s for its exporters: it answers with HTTP status %d", pod.Name, response.StatusCode)
	}
	page, err := status.DecodeExporters(response.Body)
	if err != nil {
		return nil, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	return page, nil
}
