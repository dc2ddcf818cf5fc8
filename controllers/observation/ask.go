package observation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/redact"
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
	d, err := Fetch(ctx, client, pod, &url.URL{Path: status.Path}, status.Decode)
	if err != nil {
		return nil, err
	}
	if err := pod.Is(d.Instance); err != nil {
		return nil, err
	}
	withoutSecrets(d)
	return d, nil
}

// Is returns an error where a collector that answers for a pod says that it is another one's. On a node's own network, two fleets may have given their
// collectors one port: the second cannot have it, and what answers is the first.
func (p Pod) Is(instance string) error {
	if p.Answers(instance) {
		return nil
	}
	return fmt.Errorf("asking collector %s: another one answers at %s: do two fleets have the same collector.metricsPort on the network of a node?",
		p.Name, p.HostPort())
}

// Answers reports whether what answers for a pod, and says that it is the one that instance names, is the pod's. Its address may have gone to another
// one. An earlier version does not say who it is.
func (p Pod) Answers(instance string) bool { return instance == "" || instance == p.Name }

// HostPort is where a pod is asked.
func (p Pod) HostPort() string { return net.JoinHostPort(p.Address, strconv.Itoa(int(p.Port))) }

// withoutSecrets takes them out of a collector's words, which may be those of a server that repeats what it was told: they end in conditions.
func withoutSecrets(d *status.Document) {
	words := []*string{&d.NotReady, &d.Output.LastError}
	if d.Bucket != nil {
		words = append(words, &d.Bucket.LastError)
	}
	if d.Spool != nil {
		words = append(words, &d.Spool.Error)
	}
	for _, w := range words {
		if *w != "" {
			*w = redact.Words(*w)
		}
	}
}

// Fetch reads a page of one collector, as FetchPage does. Errors name the collector.
func Fetch[T any](ctx context.Context, client *http.Client, pod Pod, page *url.URL, decode func(io.Reader) (T, error)) (none T, err error) {
	d, err := FetchPage(ctx, client, pod, page, decode)
	if err != nil {
		return none, fmt.Errorf("asking collector %s: %w", pod.Name, err)
	}
	return d, nil
}

// FetchPage reads a page of one collector or sink, which decode bounds. The page's path and query count. Of what answers, no word stands in an error.
func FetchPage[T any](ctx context.Context, client *http.Client, pod Pod, page *url.URL, decode func(io.Reader) (T, error)) (none T, err error) {
	at := *page
	at.Scheme, at.Host = "http", pod.HostPort()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return none, err
	}
	response, err := client.Do(request)
	if err != nil {
		return none, wordless(err)
	}
	defer func() { _ = response.Body.Close() }() // everything that is wanted was read
	switch {
	case response.StatusCode == http.StatusNotFound:
		return none, fmt.Errorf("it has no %s: it is of an older version, or something else", page.Path)
	case response.StatusCode != http.StatusOK:
		return none, fmt.Errorf("it answers with HTTP status %d", response.StatusCode)
	}
	d, err := decode(wordlessReader{response.Body})
	if err != nil {
		return none, err
	}
	return d, nil
}

// wordless leaves no word of what answers in an error: where a port is not a collector's, that may be anything, such as the greeting of another
// service of the node.
func wordless(err error) error {
	var network *net.OpError
	var late net.Error
	switch {
	case errors.As(err, &network):
		network.Source = nil // a port of the operator's own, another each time: it would be a new message in the status
		return err
	case errors.As(err, &late) && late.Timeout(), errors.Is(err, context.Canceled):
		return err
	}
	return errors.New("what answers at " + addressOf(err) + " speaks no HTTP, or ended in the middle of it")
}

// addressOf is the page that was asked for.
func addressOf(err error) string {
	var asked *url.Error
	if errors.As(err, &asked) {
		return asked.URL
	}
	return "its address"
}

type wordlessReader struct{ from io.Reader }

// Read implements io.Reader.
func (r wordlessReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	if err != nil && err != io.EOF { //nolint:errorlint // an io.Reader gives no other one
		err = wordless(err)
	}
	return n, err
}
