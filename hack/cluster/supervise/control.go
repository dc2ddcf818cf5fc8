package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/hack/cluster/plan"
	"github.com/flowfleet/flowfleet/hack/cluster/process"
)

// Status is how the parts of a cluster are, by name.
type Status map[string]process.State

func (s *supervisor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.status())
	})
	for action, do := range map[string]func(int) error{
		"start": s.StartNode, "kill": s.KillNode, "cut": s.CutNode, "join": s.JoinNode,
	} {
		mux.HandleFunc("POST /nodes/{number}/"+action, func(w http.ResponseWriter, r *http.Request) {
			number, err := strconv.Atoi(r.PathValue("number"))
			if err == nil {
				err = do(number)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		})
	}
	return mux
}

func (s *supervisor) status() Status {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	status := Status{}
	for _, component := range s.controlPlane {
		status[component.Name] = component.State()
	}
	for _, node := range s.nodes {
		status[node.process.Name] = node.process.State()
	}
	return status
}

// Client speaks with the supervisor of a cluster.
type Client struct{ http http.Client }

// NewClient returns a client for the cluster.
func NewClient(p plan.Plan) *Client {
	return &Client{http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.Socket())
		},
	}}}
}

// Status asks how the parts are.
func (c *Client) Status(ctx context.Context) (Status, error) {
	body, err := c.do(ctx, http.MethodGet, "/status")
	if err != nil {
		return nil, err
	}
	var status Status
	return status, json.Unmarshal(body, &status)
}

// Node does one of start, kill, cut and join with a node.
func (c *Client) Node(ctx context.Context, number int, action string) error {
	_, err := c.do(ctx, http.MethodPost, fmt.Sprintf("/nodes/%d/%s", number, action))
	return err
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://cluster"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(bytes.TrimSpace(body))))
	}
	return body, nil
}
