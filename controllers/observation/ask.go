package observation

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

const (
	// askTime bounds one question to one collector.
	askTime = 3 * time.Second
	// maxHeader of an answer, in bytes.
	maxHeader = 8 << 10
)

// NewClient returns a client for Fetch. It keeps no connections: collectors limit theirs.
func NewClient() *http.Client {
	return &http.Client{
		Timeout: askTime,
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, Proxy: nil,
			MaxResponseHeaderBytes: maxHeader, ReadBufferSize: 4 << 10, WriteBufferSize: 1 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a collector never redirects, and what does is none
		},
	}
}

// ask reads the status of one collector.
func ask(ctx context.Context, client *http.Client, pod Pod) (*status.Document, error) {
	return Fetch(ctx, client, pod, &url.URL{Path: status.Path}, status.Decode)
}

// Fetch reads a page of one collector, which decode bounds. The page's path and query count. Of what answers, no word stands in an error.
func Fetch[T any](ctx context.Context, client *http.Client, pod Pod, page *url.URL, decode func(io.Reader) (T, error)) (none T, err error) {
	at := *page
	at.Scheme, at.Host = "http", net.JoinHostPort(pod.Address, strconv.Itoa(int(pod.Port)))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return none, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return none, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	defer func() { _ = response.Body.Close() }() // everything that is wanted was read
	switch {
	case response.StatusCode == http.StatusNotFound:
		return none, fmt.Errorf("asking collector %s: it has no %s: it is of an older version, or no collector", pod.Name, page.Path)
	case response.StatusCode != http.StatusOK:
		return none, fmt.Errorf("asking collector %s: it answers with HTTP status %d", pod.Name, response.StatusCode)
	}
	d, err := decode(response.Body)
	if err != nil {
		return none, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	return d, nil
}
