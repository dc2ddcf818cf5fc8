package share

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Kinds of key: the first token. A new meaning gets a new one, so that readers of this one are not misled.
const (
	kindTemplate = "t1"
	kindLayout   = "t2" // a layout beside the port's own, see template.Key.Layout
	kindSampling = "s1"
	kindRival    = "s2" // a rate that devices which share even the port dispute, see package sampling
	kindClock    = "b1"
	kindNames    = "n1"
	kindPage     = "p1"
)

const anyPort = "any"

// ErrKey is wrapped by the errors of DecodeKey.
var ErrKey = errors.New("not a key of a definition")

// bootToken is the id in the key of a clock.
const bootToken = "boot"

// namesToken stands in the place of the version: names are not a protocol's.
const namesToken = "names"

// EncodeKey writes a key in the bucket's alphabet: t1.<version>.<address>.<domain>.<port>.<template id> for templates,
// t2.<version>.<address>.<domain>.<port>.<template id>-<layout> for the layouts of devices that share even the port,
// s1.<version>.<address>.<domain>.<port>.<subject> for sampling rates, s2.<version>.<address>.<domain>.<port>.<subject>-<rate> for
// those that such devices dispute and b1.<version>.<address>.<domain>.<port>.boot for clocks.
// Tables of names have n1.names.<address>.<domain>.any.<table> and their pages p1.<hash>. Different keys never give the same text.
func EncodeKey(k template.Key) string {
	var room [mostOfKey]byte
	return string(appendKey(room[:0], k))
}

// mostOfKey is as long as keys are, but for those of addresses with long zones.
const mostOfKey = 128

// appendKey is EncodeKey without an allocation: a listing of a large bucket encodes and decodes every key.
func appendKey(b []byte, k template.Key) []byte {
	kind := kindTemplate
	switch {
	case k.Family == template.FamilyPage:
		return fmt.Appendf(append(b, kindPage+"."...), "%016x", k.ID)
	case k.Family == template.FamilySampling && k.Layout != 0:
		kind = kindRival
	case k.Family == template.FamilySampling:
		kind = kindSampling
	case k.Family == template.FamilyClock:
		kind = kindClock
	case k.Family == template.FamilyNames:
		kind = kindNames
	case k.Layout != 0:
		kind = kindLayout
	}
	version := k.Scope.Version.String()
	if k.Family == template.FamilyNames {
		version = namesToken
	}
	b = append(append(append(append(b, kind...), '.'), version...), '.')
	b = append(appendAddress(b, k.Scope.Exporter), '.')
	b = append(strconv.AppendUint(b, uint64(k.Scope.Domain), 10), '.')
	if k.Port == template.AnyPort || k.Family == template.FamilyNames {
		b = append(b, anyPort+"."...)
	} else {
		b = append(strconv.AppendUint(b, uint64(k.Port), 10), '.')
	}
	switch kind {
	case kindSampling:
		return appendSubject(b, k.ID)
	case kindRival:
		return strconv.AppendUint(append(appendSubject(b, k.ID), '-'), k.Layout-1, 10)
	case kindClock:
		return append(b, bootToken...)
	case kindNames:
		return append(b, names.Table(k.ID).String()...)
	case kindLayout:
		return strconv.AppendUint(append(strconv.AppendUint(b, k.ID, 10), '-'), k.Layout, 16)
	default:
		return strconv.AppendUint(b, k.ID, 10)
	}
}

// DecodeKey is the reverse of EncodeKey. It accepts nothing that EncodeKey does not write.
func DecodeKey(s string) (template.Key, error) {
	var k template.Key
	parts := strings.Split(s, ".")
	if len(parts) == 2 && parts[0] == kindPage {
		return decodePageKey(s, parts[1])
	}
	if len(parts) != 6 {
		return k, fmt.Errorf("%w: %q", ErrKey, s)
	}
	switch parts[1] {
	case template.NetFlow9.String():
		k.Scope.Version = template.NetFlow9
	case template.IPFIX.String():
		k.Scope.Version = template.IPFIX
	}
	var errs [4]error
	var domain, port uint64
	k.Scope.Exporter, errs[0] = decodeAddress(parts[2])
	domain, errs[1] = strconv.ParseUint(parts[3], 10, 32)
	if parts[4] != anyPort {
		port, errs[2] = strconv.ParseUint(parts[4], 10, 16)
	}
	switch parts[0] {
	case kindTemplate:
		k.ID, errs[3] = strconv.ParseUint(parts[5], 10, 16)
	case kindLayout:
		id, layout, _ := strings.Cut(parts[5], "-")
		k.ID, errs[3] = strconv.ParseUint(id, 10, 16)
		if errs[3] == nil {
			k.Layout, errs[3] = strconv.ParseUint(layout, 16, 64)
		}
	case kindSampling:
		k.Family = template.FamilySampling
		k.ID, errs[3] = decodeSubject(parts[5])
	case kindRival:
		k.Family = template.FamilySampling
		cut := max(0, strings.LastIndexByte(parts[5], '-'))
		if k.ID, errs[3] = decodeSubject(parts[5][:cut]); errs[3] == nil {
			k.Layout, errs[3] = strconv.ParseUint(strings.TrimPrefix(parts[5][cut:], "-"), 10, 64)
			k.Layout++
		}
	case kindClock:
		k.Family = template.FamilyClock
	case kindNames:
		k.Family = template.FamilyNames
		table, _ := names.ParseTable(parts[5])
		k.ID = uint64(table)
	default:
		return k, fmt.Errorf("%w: %q", ErrKey, s)
	}
	k.Scope.Domain, k.Port = uint32(domain), uint16(port)
	if err := errors.Join(errs[:]...); err != nil {
		return template.Key{}, fmt.Errorf("%w: %q: %w", ErrKey, s, err)
	}
	var room [mostOfKey]byte
	if written := appendKey(room[:0], k); string(written) != s {
		return template.Key{}, fmt.Errorf("%w: %q is not written as %q", ErrKey, s, string(written)) // a copy: written stays on the stack
	}
	return k, nil
}

func decodePageKey(s, hash string) (template.Key, error) {
	id, err := strconv.ParseUint(hash, 16, 64)
	k := template.Key{Family: template.FamilyPage, ID: id}
	if err != nil || EncodeKey(k) != s {
		return template.Key{}, fmt.Errorf("%w: %q", ErrKey, s)
	}
	return k, nil
}

// ExporterFilter is a pattern for the keys of one exporter, of both kinds and all versions.
func ExporterFilter(a netip.Addr) string { return "*.*." + EncodeAddress(a) + ".>" }

// EncodeAddress writes an address as one token: 10-1-2-3, 2001-db8--1, and with a zone fe80--1_eth0.
func EncodeAddress(a netip.Addr) string {
	var room [64]byte
	return string(appendAddress(room[:0], a))
}

func appendAddress(b []byte, a netip.Addr) []byte {
	start := len(b)
	if a.Is4In6() {
		// Its mixed notation would read back as something else.
		bytes := a.As16()
		b = fmt.Appendf(b, "0-0-0-0-0-ffff-%x-%x", binary.BigEndian.Uint16(bytes[12:]), binary.BigEndian.Uint16(bytes[14:]))
	} else {
		b = a.WithZone("").AppendTo(b)
		for i := start; i < len(b); i++ {
			if b[i] == '.' || b[i] == ':' {
				b[i] = '-'
			}
		}
	}
	zone := a.Zone()
	if zone == "" {
		return b
	}
	b = append(b, '_')
	for _, c := range []byte(zone) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
			b = append(b, c)
		default:
			b = fmt.Appendf(b, "=%02x", c)
		}
	}
	return b
}

func decodeAddress(s string) (netip.Addr, error) {
	s, escaped, hasZone := strings.Cut(s, "_")
	// Only IPv4 has exactly three separators, none of them doubled: the shortest IPv6 forms have two in a row.
	text := strings.ReplaceAll(s, "-", ":")
	if strings.Count(s, "-") == 3 && !strings.Contains(s, "--") {
		text = strings.ReplaceAll(s, "-", ".")
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !hasZone {
		return a, err
	}
	var zone []byte
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '=' {
			zone = append(zone, escaped[i])
			continue
		}
		if len(escaped) < i+3 {
			return a, errors.New("a zone ends within an escape")
		}
		c, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8)
		if err != nil {
			return a, err
		}
		zone = append(zone, byte(c))
		i += 2
	}
	return a.WithZone(string(zone)), nil
}

// appendSubject writes system, sampler-5, selector-7, interface-3, process.
func appendSubject(b []byte, key uint64) []byte {
	kind, id := sampling.Split(key)
	b = append(b, kind.String()...)
	if id == 0 && (kind == sampling.System || kind == sampling.Process) {
		return b
	}
	return strconv.AppendUint(append(b, '-'), id, 10)
}

func decodeSubject(s string) (uint64, error) {
	name, number, _ := strings.Cut(s, "-")
	var id uint64
	if number != "" {
		var err error
		if id, err = strconv.ParseUint(number, 10, 64); err != nil {
			return 0, err
		}
	}
	kind, ok := sampling.ParseKind(name)
	if ok {
		if key, fits := sampling.Key(kind, id); fits {
			return key, nil
		}
	}
	return 0, fmt.Errorf("%q is nothing that is sampled", s)
}
