package exporters

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// maxPages bounds the questions to one collector.
const maxPages = status.MaxReported / status.MaxExporters

// walk reads the pages of one collector in turn, and gives each to take. Pages have to rise, and there are at most maxPages. Of what
// answers, no word stands in an error.
func walk(ctx context.Context, client *http.Client, pod observation.Pod, take func(*status.Exporters)) error {
	after := ""
	for range maxPages {
		page, err := fetchPage(ctx, client, pod, after)
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

func fetchPage(ctx context.Context, client *http.Client, pod observation.Pod, after string) (*status.Exporters, error) {
	page := &url.URL{Path: status.ExportersPath}
	if after != "" {
		page.RawQuery = url.Values{"after": {after}}.Encode()
	}
	answer, err := observation.Fetch(ctx, client, pod, page, status.DecodeExporters)
	if err == nil {
		err = pod.Is(answer.Instance) // another fleet's exporters are not this one's, and may be nobody's business here
	}
	return answer, err
}
