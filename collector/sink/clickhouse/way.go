package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// rawView makes the rows of flows. Without it ClickHouse takes flows into flows_raw, which keeps nothing, and says that all went well.
const rawView = "flows_from_raw"

// maxViews bounds the views that are known: a server behind one address may have another than the next.
const maxViews = 64

// way is what is known of the view between flows_raw and flows. Who changes a view drops it and makes it anew: what is inserted meanwhile is
// gone. So an insert counts where the same view was there before it and after it.
type way struct {
	mu    sync.Mutex
	views map[string]bool // by UUID, which a view that is made anew has not
}

// through inserts, and returns an error, so that the batch comes again, unless the rows got as far as flows. There they are stored once.
func (w *way) through(ctx context.Context, k *Client, insert func() error) error {
	before := w.known()
	if len(before) == 0 {
		if _, err := w.look(ctx, k); err != nil {
			return err
		}
		if before = w.known(); len(before) == 0 {
			return errors.New(k.closed())
		}
	}
	if err := insert(); err != nil {
		return err
	}
	view, err := w.look(ctx, k)
	if err != nil {
		return err
	}
	if view == "" {
		return errors.New(k.closed())
	}
	if !before[view] {
		return fmt.Errorf("the view %s.%s was made anew during an insert, whose rows it may not have seen: they are inserted again", k.config.Database, rawView)
	}
	return nil
}

// look returns the view's UUID, empty where there is none, and notes it.
func (w *way) look(ctx context.Context, k *Client) (view string, err error) {
	if view, err = k.view(ctx); err == nil {
		w.note(view)
	}
	return view, err
}

func (w *way) note(view string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if view == "" || len(w.views) >= maxViews || w.views == nil {
		w.views = make(map[string]bool) // others hold the former one
	}
	if view != "" && !w.views[view] {
		next := map[string]bool{view: true}
		for v := range w.views {
			next[v] = true
		}
		w.views = next
	}
}

func (w *way) known() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.views
}

// closed says what is wrong where the view is missing.
func (k *Client) closed() string {
	return fmt.Sprintf("the view %s.%s is missing, so that no flow would reach the table flows: make it, as \"collector schema clickhouse\" prints it, "+
		"or set clickhouse.createTables", k.config.Database, rawView)
}

// view is the UUID of the view; empty where there is none. Who may read a table may see it in system.tables.
func (k *Client) view(ctx context.Context) (string, error) {
	answer, err := k.query(ctx, fmt.Sprintf("SELECT uuid FROM system.tables WHERE database = '%s' AND name = '%s'", k.config.Database, rawView))
	if err != nil {
		return "", fmt.Errorf("looking for the view %s.%s: %w", k.config.Database, rawView, err)
	}
	return strings.TrimSpace(answer), nil
}
