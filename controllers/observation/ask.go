package observation

import (
	"context"
	"fmt"
	"net"
	"net/http"
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

// newClient returns a client that keeps no connections: collectors limit theirs.
func newClient() *http.Client {
	return &http.Client{
		Timeout: askTime,
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, Proxy: nil,
			MaxResponseHeaderBytes: maxHeader, ReadBufferSize: 4 << 10, WriteBufferSize: 1 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a collector never redirects, and what does is none
		},
	}
}

// ask reads the status of one collector. Of what answers, no word stands in an error.
func ask(ctx context.Context, client *http.Client, pod Pod) (*status.Document, error) {
	url := "http://" + net.JoinHostPort(pod.Address, strconv.Itoa(int(pod.Port))) + status.Path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	defer func() { _ = response.Body.Close() }() // everything that is wanted was read
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("asking collector %s: it has no %s: it is of an older version, or no collector", pod.Name, status.Path)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("asking collector %s: it answers with HTTP status %d", pod.Name, response.StatusCode)
	}
	d, err := status.Decode(response.Body)
	if err != nil {
		return nil, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	return d, nil
}
