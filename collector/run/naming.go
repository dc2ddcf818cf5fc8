package run

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/network"
)

// flowNames are the names on flows by the configuration's words.
var flowNames = map[config.NameKind][]flow.Name{
	config.NamesInterfaces:            {flow.InIfName, flow.OutIfName},
	config.NamesInterfaceDescriptions: {flow.InIfDescription, flow.OutIfDescription},
	config.NamesApplications:          {flow.ApplicationName},
	config.NamesVRFs:                  {flow.IngressVRFName, flow.EgressVRFName},
	config.NamesSamplers:              {flow.SamplerName},
	config.NamesExporters:             {flow.ExporterName},
	config.NamesDomains:               {flow.DomainName},
}

// NamesOn are the names on flows that kinds are of.
func NamesOn(kinds []config.NameKind) (set decode.NameSet) {
	for _, kind := range kinds {
		set = set.With(flowNames[kind]...)
	}
	return set
}

// saying is what a configuration says of names.
type saying struct {
	exporters    []config.ExporterName
	devices      []config.Device
	file         string
	exporterWins bool
}

func sayingOf(c *config.Config) *saying {
	e := &c.Exporters
	return &saying{slices.Clone(e.Names), slices.Clone(e.Devices), e.NamesFile, e.NamePreference == config.PreferExporter}
}

// inForce is what was said last, and which version of the file it was.
type inForce struct {
	names   *saying
	version fileVersion
}

const (
	// handNames is how often tables of names that changed are handed to the bucket.
	handNames = 100 * time.Millisecond
	// lookAtNames is how often the file with names is looked at.
	lookAtNames = time.Second
)

// beginNames makes the Store of names where flows carry any, and has it know what the operator says.
func (k *Collector) beginNames() {
	if len(k.config.Decoding.Names) == 0 {
		return
	}
	k.names = names.NewStore(names.LimitsFor(k.config.Exporters.Limits.Exporters), k.config.Templates.TTL.Std())
	k.saying.Store(sayingOf(k.config))
	k.sayNames(k.saying.Load())
}

// followNames hands changed tables to the bucket, and takes up what the operator says when that changes.
func (k *Collector) followNames(ctx context.Context) {
	tick := time.NewTicker(handNames)
	defer tick.Stop()
	var looked int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := clock.Steady()
		k.names.Tick(now)
		if now-looked < int64(lookAtNames) {
			continue
		}
		looked = now
		if next := k.saying.Load(); next != k.said.names || versionOf(next.file) != k.said.version {
			k.sayNames(next)
		}
	}
}

// fileVersion tells two contents of a file apart.
type fileVersion struct {
	changed time.Time
	size    int64
}

func versionOf(path string) (v fileVersion) {
	if info, err := os.Stat(path); err == nil {
		v = fileVersion{info.ModTime(), info.Size()}
	}
	return v
}

// sayNames puts what the operator says in force. Lines of the file that are wrong are named in the log; the others hold. What a file
// said holds as long as it cannot be opened: it may be about to be replaced.
func (k *Collector) sayNames(s *saying) {
	k.said = inForce{s, versionOf(s.file)} // of before it is read: a change meanwhile is another one
	var lines []names.Line
	if s.file != "" {
		read, err := readNames(s.file)
		var path *fs.PathError
		switch {
		case errors.As(err, &path):
			k.log.Error("the file with names cannot be read; what it said before holds", "file", s.file, "error", err)
			lines = append(lines, k.fileNames...)
		case err != nil:
			k.log.Error("the file with names has faults; what can be read of it holds", "file", s.file, "error", err)
			fallthrough
		default:
			k.fileNames = read
			lines = append(lines, read...)
		}
	} else {
		k.fileNames = nil
	}
	for _, e := range s.exporters {
		lines = append(lines, names.Line{Network: e.Network, Table: names.Exporters, Row: names.Row{Name: e.Name}})
	}
	lines = append(lines, interfaces(s.devices)...)
	k.names.Say(names.NewSaid(lines), s.exporterWins)
	if len(lines) > 0 {
		k.log.Info("names from the configuration are in force", "names", len(lines), "exporters", networksOf(lines))
	}
}

// interfaces are the names that devices have in the configuration: behind those of the file, of which the later counts.
func interfaces(devices []config.Device) (lines []names.Line) {
	for _, d := range devices {
		for _, a := range d.Addresses {
			for _, n := range d.Interfaces {
				lines = append(lines, names.Line{Network: network.Alone(a), Table: names.Interfaces, Number: uint64(n.Index),
					Row: names.Row{Name: n.Name, Description: n.Description}})
			}
		}
	}
	return lines
}

func readNames(path string) ([]names.Line, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return names.ReadLines(file)
}

// networksOf names the first few networks that lines are for.
func networksOf(lines []names.Line) string {
	const most = 5
	var out []netip.Prefix
	for i := range lines {
		if !slices.Contains(out, lines[i].Network) {
			if len(out) == most {
				return text(out) + " and others"
			}
			out = append(out, lines[i].Network)
		}
	}
	return text(out)
}

func text(networks []netip.Prefix) string {
	var words []string
	for _, n := range networks {
		words = append(words, n.String())
	}
	return strings.Join(words, ", ")
}
