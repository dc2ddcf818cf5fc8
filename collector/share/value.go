package share

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Value is what the bucket holds for a key.
type Value struct {
	Kind template.Kind
	// Stamp orders the values of a key, see template.Definition.
	Stamp template.Stamp
	// Heard is when the exporter last said it, as far as the writer knew, by the server's clock.
	Heard time.Time
	// Writer is the instance that wrote it, at most 255 bytes with what follows.
	Writer string
	// Witnessed and Silent are as in template.Definition. They follow the writer's name, where former collectors take them for
	// a part of it.
	Witnessed, Silent bool
	// Record is the definition's own, as in template.Definition.
	Record []byte
}

// schema is the version of the header that follows.
const schema = 1

// Errors of DecodeValue. A value of a newer schema is somebody else's: it is left alone.
var (
	ErrValue       = errors.New("not a value of a definition")
	ErrNewerSchema = errors.New("written by a newer collector")
)

// fixedHeader is schema, kind, stamp, time heard, and the length of the writer's name.
const fixedHeader = 1 + 1 + 8 + 8 + 1

// stampCountBits are at the top of a value's stamp, so that without a count it is the export time in seconds.
const stampCountBits = 16

// What follows the writer's name, in this order.
const (
	witnessed = ";redefined"
	silent    = ";silent"
)

// EncodeValue writes the header and the record.
func EncodeValue(v Value) []byte {
	flags := ""
	if v.Witnessed {
		flags += witnessed
	}
	if v.Silent {
		flags += silent
	}
	writer := v.Writer[:min(len(v.Writer), 255-len(flags))] + flags
	b := make([]byte, 0, fixedHeader+len(writer)+len(v.Record))
	b = append(b, schema, byte(v.Kind))
	b = binary.BigEndian.AppendUint64(b, bits.RotateLeft64(uint64(v.Stamp), -stampCountBits))
	b = binary.BigEndian.AppendUint64(b, uint64(v.Heard.UnixNano()))
	b = append(b, byte(len(writer)))
	b = append(b, writer...)
	return append(b, v.Record...)
}

// DecodeValue is the reverse of EncodeValue. The Record aliases b.
func DecodeValue(b []byte) (Value, error) {
	if len(b) > 0 && b[0] > schema {
		return Value{}, fmt.Errorf("%w: schema %d, this one knows %d", ErrNewerSchema, b[0], schema)
	}
	if len(b) < fixedHeader || b[0] != schema || len(b) < fixedHeader+int(b[fixedHeader-1]) {
		return Value{}, fmt.Errorf("%w: its header is cut short or of no known schema", ErrValue)
	}
	writer := fixedHeader + int(b[fixedHeader-1])
	v := Value{
		Kind:   template.Kind(b[1]),
		Stamp:  template.Stamp(bits.RotateLeft64(binary.BigEndian.Uint64(b[2:]), stampCountBits)),
		Heard:  time.Unix(0, int64(binary.BigEndian.Uint64(b[10:]))).UTC(),
		Writer: string(b[fixedHeader:writer]),
		Record: b[writer:],
	}
	if v.Stamp.Seconds() >= template.LastSecond {
		return Value{}, fmt.Errorf("%w: no exporter has its stamp", ErrValue)
	}
	v.Writer, v.Silent = strings.CutSuffix(v.Writer, silent)
	v.Writer, v.Witnessed = strings.CutSuffix(v.Writer, witnessed)
	return v, nil
}

// fits reports whether what the bucket has for a key can be read as such. What cannot is nobody's word, however new it is.
func (k *known) fits(key template.Key) bool {
	switch key.Family {
	case template.FamilyTemplate:
		t, n, err := template.Parse(key.Scope.Version, k.kind, []byte(k.record), math.MaxUint16)
		return (k.kind == template.KindData || k.kind == template.KindOptions) && err == nil && n == len(k.record) &&
			uint64(t.ID) == key.ID && (key.Layout == 0 || key.Layout == t.Fingerprint())
	case template.FamilySampling:
		rate, err := sampling.Decode([]byte(k.record))
		return k.kind == template.KindSampling && err == nil && (key.Layout == 0 || key.Layout == rate+1)
	case template.FamilyClock:
		_, err := boot.Decode([]byte(k.record))
		return k.kind == template.KindClock && err == nil
	case template.FamilyNames:
		_, err := names.DecodeManifest([]byte(k.record))
		return k.kind == template.KindNames && !errors.Is(err, names.ErrManifest)
	}
	return true // of a page, nothing is kept that tells
}
