package exporters

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// configured judges whether spec.samplingRate and spec.interfaces are in the collectors' configuration. There is nothing to say where the
// object has neither, and its addresses for itself.
func configured(f *Facts) (c condition, ok bool) {
	a := &f.Asked
	fleet := f.Exporter.Spec.Collector
	switch {
	case a.rival != "":
		return condition{metav1.ConditionFalse, ReasonAddressShared, fmt.Sprintf("%s is in spec.addresses of the FlowExporter %s, too: both show its figures, "+
			"and it has samplingRate and interfaces of %s, the older one. Take the address out of one of them", a.shared, a.rival, a.elder)}, true
	case !configures(f.Exporter):
		return c, false
	case a.wrong != "":
		return condition{metav1.ConditionFalse, ReasonSettingsWrong, "samplingRate and interfaces do not hold: " + a.wrong}, true
	case a.noRoom:
		return condition{metav1.ConditionFalse, ReasonNoRoomForSettings, fmt.Sprintf("samplingRate and interfaces do not hold: collectors have room for those of "+
			"%d devices and %d KiB, and older FlowExporters have taken it. Say rates for networks, in exporters.sampling.overrides of the FlowCollector %s, and "+
			"names of interfaces in exporters.namesFrom", config.MaxDevices, maxSettings>>10, fleet)}, true
	case a.device == nil || !f.InForce:
		return condition{metav1.ConditionUnknown, ReasonNotConfigured, fmt.Sprintf("samplingRate and interfaces are not in the collectors' configuration yet; if "+
			"that stays so, type: kubectl describe fcol %s", f.fleet())}, true
	}
	message := "samplingRate and interfaces are in the collectors' configuration, which they take up within a minute or so"
	if f.Nameless && len(a.device.Interfaces) > 0 {
		message += fmt.Sprintf("; but flows carry no names of interfaces, since decoding.names of the FlowCollector %s does not have interfaces", fleet)
	}
	return condition{metav1.ConditionTrue, ReasonConfigured, message}, true
}

// ask works out what FlowExporters ask for, and sees what of it the collectors' configuration has.
func (k *Keeper) ask(ctx context.Context, fc *v1alpha1.FlowCollector, m *memory, objects []v1alpha1.FlowExporter) error {
	m.asked = Ask(objects)
	if len(m.asked.Devices) == 0 {
		m.configured, m.version = nil, ""
		return nil
	}
	file, version, err := k.Configuration(ctx, fc)
	if err != nil {
		return err
	}
	if version == "" || version != m.version {
		m.configured, m.version = nil, version
		if c, problems := config.Parse([]byte(file)); len(problems) == 0 {
			m.configured = newInForce(c.Exporters.Devices)
			m.nameless = !slices.Contains(c.Decoding.Names, config.NamesInterfaces)
		}
	}
	return nil
}

// inForce finds devices of a configuration by their first address.
type inForce map[netip.Addr]*config.Device

func newInForce(devices []config.Device) inForce {
	out := make(inForce, len(devices))
	for i := range devices {
		if d := &devices[i]; len(d.Addresses) > 0 {
			out[d.Addresses[0]] = d
		}
	}
	return out
}

// has reports whether the configuration has a device as it is asked for.
func (in inForce) has(d *config.Device) bool {
	return d != nil && in[d.Addresses[0]] != nil && reflect.DeepEqual(in[d.Addresses[0]], d)
}
