package jetstream

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// maxTiers of an account that are told.
const maxTiers = 8

// facts are what the server says of itself.
func (c *Connection) facts() ServerFacts {
	return ServerFacts{
		URL:     plain(c.url, maxName),
		Name:    plain(c.nc.ConnectedServerName(), maxName),
		Cluster: plain(c.nc.ConnectedClusterName(), maxName),
		Version: plain(c.nc.ConnectedServerVersion(), maxName),
	}
}

// account asks what JetStream lets the account have.
func (c *Connection) account(ctx context.Context) (*Account, error) {
	info, err := request(ctx, c, c.js.AccountInfo)
	if err != nil {
		return nil, fmt.Errorf("asking for the account's limits: %w", err)
	}
	return accountOf(info), nil
}

func accountOf(info *jetstream.AccountInfo) *Account {
	a := &Account{Domain: plain(info.Domain, maxName)}
	a.set(&info.Tier)
	for _, name := range slices.Sorted(maps.Keys(info.Tiers)) {
		tier := info.Tiers[name]
		if len(a.Tiers) == maxTiers {
			break
		}
		if a.Tiers == nil {
			a.Tiers = make(map[string]Tier)
		}
		a.Tiers[plain(name, maxName)] = Tier{Memory: int64(tier.Memory), Storage: int64(tier.Store), MemoryLimit: limitOf(tier.Limits.MaxMemory),
			StorageLimit: limitOf(tier.Limits.MaxStore), Streams: tier.Streams, StreamsLimit: int(limitOf(int64(tier.Limits.MaxStreams)))}
	}
	if len(a.Tiers) > 0 {
		a.sum()
	}
	return a
}

// set takes what an account without tiers has.
func (a *Account) set(t *jetstream.Tier) {
	a.Memory, a.Storage = int64(t.Memory), int64(t.Store)
	a.MemoryReserved, a.StorageReserved = int64(t.ReservedMemory), int64(t.ReservedStore)
	a.MemoryLimit, a.StorageLimit = limitOf(t.Limits.MaxMemory), limitOf(t.Limits.MaxStore)
	a.Streams, a.Consumers = t.Streams, t.Consumers
	a.StreamsLimit, a.ConsumersLimit = int(limitOf(int64(t.Limits.MaxStreams))), int(limitOf(int64(t.Limits.MaxConsumers)))
	a.MemoryStreamLimit, a.StorageStreamLimit = max(t.Limits.MemoryMaxStreamBytes, 0), max(t.Limits.StoreMaxStreamBytes, 0)
	a.MaxBytesRequired = t.Limits.MaxBytesRequired
}

// sum sums up the tiers: the account's own limits are 0 then.
func (a *Account) sum() {
	add := func(sum *int64, n int64) {
		if *sum >= 0 {
			*sum += n
		}
		if n < 0 {
			*sum = -1
		}
	}
	a.MemoryLimit, a.StorageLimit = 0, 0
	streams := int64(0)
	for _, t := range a.Tiers {
		add(&a.MemoryLimit, t.MemoryLimit)
		add(&a.StorageLimit, t.StorageLimit)
		add(&streams, int64(t.StreamsLimit))
	}
	a.StreamsLimit = int(streams)
}

// limitOf makes any negative limit -1.
func limitOf(n int64) int64 { return max(n, -1) }
