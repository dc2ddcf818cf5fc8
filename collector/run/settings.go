package run

import (
	"net/netip"
	"slices"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/network"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// TemplateModes are the stores' modes by the configuration's words.
var TemplateModes = map[config.TemplateScope]template.Mode{
	config.ScopeAuto:        template.ModeAuto,
	config.ScopeAddress:     template.ModeAddress,
	config.ScopeAddressPort: template.ModeAddressPort,
}

// settings are what a configuration means for each of a number of workers; they share the bound on held bytes.
func settings(c *config.Config, workers int) *decode.Settings {
	e := &c.Exporters
	out := &decode.Settings{
		Settings: netflow.Settings{
			Overrides:            rates(overrides(e)),
			Defaults:             rates(e.Sampling.Defaults),
			Hold:                 !e.Held.Disabled,
			HeldBytes:            int(e.Held.MaxBytes) / max(workers, 1),
			HeldBytesPerExporter: int(e.Held.MaxBytesPerExporter),
			HeldAge:              int64(e.Held.MaxAge),
			Sessions:             sessions(c),
			StandInCounters:      !c.Decoding.DeltaCountsOnly,
			Extra:                c.Decoding.ExtraFields,
			Biflows:              c.Decoding.Biflows,
			Inner:                c.Decoding.InnerHeaders,
			Names:                len(c.Decoding.Names) > 0,
		},
		Names:      NamesOn(c.Decoding.Names),
		Exporters:  e.Limits.ExporterMetrics,
		Declared:   declared(e),
		MaxSamples: e.Limits.SamplesPerDatagram,
	}
	if len(e.AllowedNetworks) > 0 {
		var entries []network.Entry[struct{}]
		for _, p := range e.AllowedNetworks {
			entries = append(entries, network.Entry[struct{}]{Network: p})
		}
		out.Allowed = network.New(entries)
	}
	return out
}

// declared are the addresses that somebody declared.
func declared(e *config.Exporters) map[netip.Addr]struct{} {
	out := make(map[netip.Addr]struct{})
	for _, d := range e.Devices {
		for _, a := range d.Addresses {
			out[a.Unmap()] = struct{}{}
		}
	}
	return out
}

// sessions is how many streams each worker follows: the kernel spreads those of a listener evenly over its workers, about.
func sessions(c *config.Config) int {
	fewest := c.Listeners[0].Workers
	for _, l := range c.Listeners {
		fewest = min(fewest, l.Workers)
	}
	return max(min(c.Exporters.Limits.Exporters, 2*c.Exporters.Limits.Exporters/max(fewest, 1)), 1)
}

// overrides are those of networks, and after them those of devices: of two for the same addresses the later counts.
func overrides(e *config.Exporters) []config.NetworkRate {
	out := slices.Clone(e.Sampling.Overrides)
	for _, d := range e.Devices {
		for _, a := range d.Addresses {
			if d.SamplingRate != 0 {
				out = append(out, config.NetworkRate{Network: network.Alone(a), Rate: d.SamplingRate})
			}
		}
	}
	return out
}

func rates(list []config.NetworkRate) *network.Table[uint32] {
	if len(list) == 0 {
		return nil
	}
	var entries []network.Entry[uint32]
	for _, r := range list {
		entries = append(entries, network.Entry[uint32]{Network: r.Network, Value: r.Rate})
	}
	return network.New(entries)
}

func rateLimits(c *config.Config) sampling.Limits {
	return sampling.LimitsFor(c.Exporters.Limits.Exporters, c.Templates.TTL.Std())
}

func templateLimits(c *config.Config) template.Limits {
	l := &c.Exporters.Limits
	return template.Limits{Exporters: l.Exporters, Templates: l.TemplatesPerExporter, Fields: l.FieldsPerTemplate,
		Bytes: template.BytesFor(l.Exporters), TTL: c.Templates.TTL.Std()}
}
