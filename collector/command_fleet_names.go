package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/share"
)

// bucketOf and streamOf are the names that --fleet stands for, of those that are on the server.
func (f *serverFlags) bucketOf(ctx context.Context, js jetstream.JetStream, c *config.Config) (string, error) {
	if f.fleet == "" || f.bucket != "" {
		return c.Templates.Bucket, nil
	}
	return f.nameOf(ctx, js, "KV_", config.FleetBucketNames)
}

func (f *serverFlags) streamOf(ctx context.Context, js jetstream.JetStream, c *config.Config) (string, error) {
	if f.fleet == "" || f.stream != "" {
		return c.Output.Stream.Name, nil
	}
	return f.nameOf(ctx, js, "", config.FleetStreamNames)
}

// nameOf is the first of a fleet's possible names that is there and not another fleet's, and the usual one where none is.
func (f *serverFlags) nameOf(ctx context.Context, js jetstream.JetStream, prefix string, names func(namespace, name string) []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	namespace, name, err := fleetName(f.fleet)
	if err != nil {
		return "", err
	}
	possible := names(namespace, name)
	var others error
	for _, candidate := range possible {
		s, err := js.Stream(ctx, prefix+candidate)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("looking for %s of %s: %w", candidate, f.fleet, err)
		}
		metadata := s.CachedInfo().Config.Metadata
		owner := metadata[share.MetadataNamespace] + "/" + metadata[share.MetadataName]
		if metadata[share.MetadataName] == "" || owner == f.fleet {
			return candidate, nil
		}
		others = fmt.Errorf("%s is of %s, and nothing on %s is of %s", candidate, printable(owner), js.Conn().ConnectedUrlRedacted(), f.fleet)
	}
	return possible[0], others
}
