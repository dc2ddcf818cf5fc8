package names

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// chunk is a page in memory. Tables that have the same page have the same chunk: an application table of 1,500 rows takes its
// place once, however many routers send it. Its rows are immutable.
type chunk struct {
	hash Hash
	rows []Entry // their Stamps are 0
	size int64
	// other is set where the rows are of Others.
	other bool
	// users is how many tables have it, and seen when it came without one; both are guarded by chunks.mu.
	users int
	seen  int64
	// told is when the bucket's was written, as far as it was seen, and handed that it has the page, or is to have it; both are guarded by
	// chunks.mu.
	told   int64
	handed bool
}

// find looks a number up.
func (c *chunk) find(number uint64) *Row {
	i, ok := slices.BinarySearchFunc(c.rows, number, compareNumber)
	if !ok {
		return nil
	}
	return &c.rows[i].Row
}

func compareNumber(e Entry, number uint64) int {
	switch {
	case e.Number < number:
		return -1
	case e.Number > number:
		return 1
	}
	return 0
}

// chunks are the pages of all tables, and for a while those that came from the bucket ahead of the manifest that has them.
type chunks struct {
	bytes  atomic.Int64
	fresh  atomic.Int64 // of rows that have changed since their tables' pages were made
	others atomic.Int64 // what Others have of both
	stray  atomic.Int64 // how many strays there are

	mu      sync.Mutex
	byHash  map[Hash]*chunk
	waiting map[Hash]*awaited
	strays  []*chunk // those without a user, the longest there first; some have found one since
}

// awaited is a page that has not come, of the manifests of tables.
type awaited struct {
	tables []where
	// asked is when the bucket was asked for it, 0 where it was not.
	asked int64
}

// where is a table.
type where struct {
	scope Scope
	table Table
}

// Bounds of pages that no table has: those of a bucket that is being loaded stand before the manifests that have them.
const (
	strayAge = int64(10 * time.Minute)
	// strayCrowded is how long they stand where rows need their room: the manifests of a bucket that is being loaded are there by then.
	strayCrowded = int64(time.Minute)
	// maxWaiting bounds the pages that are waited for.
	maxWaiting = 1 << 16
)

// addFresh counts bytes of rows that changed.
func (c *chunks) addFresh(n int64, other bool) {
	c.fresh.Add(n)
	if other {
		c.others.Add(n)
	}
}

// size is about how many bytes all rows take.
func (c *chunks) size() int64 { return c.bytes.Load() + c.fresh.Load() }

// use counts a user of the chunk of a page with rows, which are its alone, adding it if need be.
func (c *chunks) use(page *Page, rows []Entry) *chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.byHash[page.Hash]
	if known == nil {
		known = c.add(page.Hash, rows, page.other)
	}
	known.users++
	return known
}

func (c *chunks) has(hash Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byHash[hash] != nil
}

// useAll counts a user of each chunk, or of none and returns nil where one is not there; the table is then told when it comes.
func (c *chunks) useAll(hashes []Hash, w where) []*chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*chunk, 0, len(hashes))
	for _, h := range hashes {
		known := c.byHash[h]
		if known == nil {
			page := c.waiting[h]
			if page == nil && len(c.waiting) < maxWaiting {
				page = &awaited{}
				c.waiting[h] = page
			}
			if page != nil && !slices.Contains(page.tables, w) {
				page.tables = append(page.tables, w)
			}
			return nil
		}
		out = append(out, known)
	}
	for _, known := range out {
		known.users++
	}
	return out
}

// unwait has a table wait no longer for pages that have not come.
func (c *chunks) unwait(hashes []Hash, w where) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range hashes {
		page := c.waiting[h]
		if page == nil {
			continue
		}
		if page.tables = slices.DeleteFunc(page.tables, func(o where) bool { return o == w }); len(page.tables) == 0 {
			delete(c.waiting, h)
		}
	}
}

// release ends a use; what nobody uses any more goes.
func (c *chunks) release(list []*chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range list {
		if known.users--; known.users == 0 {
			c.remove(known)
		}
	}
}

// arrive takes a page from the bucket, written at told, and returns the tables that waited for it.
func (c *chunks) arrive(hash Hash, rows []Entry, other bool, told, now int64) []where {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep(now - strayAge)
	if c.byHash[hash] == nil {
		stray := c.add(hash, rows, other)
		stray.seen = now
		c.strays = append(c.strays, stray)
		c.stray.Store(int64(len(c.strays)))
	}
	known := c.byHash[hash]
	known.told, known.handed = max(known.told, told), true
	page := c.waiting[hash]
	if page == nil {
		return nil
	}
	delete(c.waiting, hash)
	return page.tables
}

// hand notes that pages of a table are handed to the bucket, and reports of each whether that has it from before a time: it is to be written
// again, since it would be gone before the rest of its table is.
func (c *chunks) hand(list []*chunk, before int64) (again []bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	again = make([]bool, len(list))
	for i, known := range list {
		again[i] = known.handed && known.told < before
		known.handed = true
	}
	return again
}

// askAgain is how often the bucket is asked for a page that did not come. It comes with the next listing, too, if the bucket has it.
const askAgain = int64(time.Minute)

// ask returns up to so many pages that tables wait for, of which the bucket was not asked lately.
func (c *chunks) ask(most int, now int64) (out []Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for hash, page := range c.waiting {
		if len(out) == most {
			break
		}
		if page.asked == 0 || now-page.asked >= askAgain {
			page.asked = max(now, 1)
			out = append(out, hash)
		}
	}
	return out
}

// dropStrays lets go of the pages without a user that came before a time, and counts them.
func (c *chunks) dropStrays(before int64) (dropped uint64) {
	if c.stray.Load() == 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sweep(before)
}

// sweep is dropStrays with c.mu held.
func (c *chunks) sweep(before int64) (dropped uint64) {
	for len(c.strays) > 0 && (c.strays[0].users > 0 || c.strays[0].seen < before) {
		if stray := c.strays[0]; stray.users == 0 && c.byHash[stray.hash] == stray {
			c.remove(stray)
			dropped++
		}
		c.strays = c.strays[1:]
	}
	c.stray.Store(int64(len(c.strays)))
	return dropped
}

func (c *chunks) add(hash Hash, rows []Entry, other bool) *chunk {
	known := &chunk{hash: hash, rows: rows, other: other}
	for i := range rows {
		known.size += rows[i].size()
	}
	c.byHash[hash] = known
	c.count(known, known.size)
	return known
}

func (c *chunks) remove(known *chunk) {
	delete(c.byHash, known.hash)
	c.count(known, -known.size)
}

func (c *chunks) count(known *chunk, n int64) {
	c.bytes.Add(n)
	if known.other {
		c.others.Add(n)
	}
}

// used are the chunks that tables have.
func (c *chunks) used() []*chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*chunk, 0, len(c.byHash))
	for _, known := range c.byHash {
		if known.users > 0 {
			out = append(out, known)
		}
	}
	return out
}
