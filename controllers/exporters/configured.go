package exporters

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// configured judges whether the collectors use spec.samplingRate and spec.interfaces. There is nothing to say where the
// object has neither, and its addresses for itself.
func configured(f *Facts) (c condition, ok bool) {
	a := &f.Settings
	fleet := f.Exporter.Spec.Collector
	switch {
	case a.rival != "":
		return condition{metav1.ConditionFalse, ReasonAddressShared, fmt.Sprintf("%s is in spec.addresses of the FlowExporter %s, too: both show its figures, "+
			"and it has samplingRate and interfaces of %s, %s. Take the address out of one of them", a.shared, a.rival, a.elder, a.why)}, true
	case !configures(f.Exporter):
		return c, false
	case a.wrong != "":
		return condition{metav1.ConditionFalse, ReasonSettingsWrong, "samplingRate and interfaces are not used: " + a.wrong}, true
	case a.noRoom:
		return condition{metav1.ConditionFalse, ReasonNoRoomForSettings, fmt.Sprintf("samplingRate and interfaces are not used: collectors have room for those of "+
			"%d devices and %d KiB, and older FlowExporters have taken it. Set rates for networks in exporters.sampling.overrides of the FlowCollector %s, and "+
			"names of interfaces in exporters.namesFrom", config.MaxDevices, maxSettings>>10, fleet)}, true
	case a.fault != "":
		return condition{metav1.ConditionFalse, ReasonInterfacesFrom, "not all names of spec.interfacesFrom are used: " + a.fault}, true
	case a.nothing:
		return condition{metav1.ConditionFalse, ReasonInterfacesFrom, fmt.Sprintf("%s of the ConfigMap %s names no interface of the addresses in "+
			"spec.addresses: add lines such as %s,interfaces,3,xe-0/0/3", f.Exporter.Spec.InterfacesFrom.Key, f.Exporter.Spec.InterfacesFrom.Name,
			f.Exporter.Spec.Addresses[0])}, true
	case a.device == nil || !f.InForce:
		return condition{metav1.ConditionUnknown, ReasonNotConfigured, fmt.Sprintf("samplingRate and interfaces are not in the collectors' configuration yet; if "+
			"that stays so, type: kubectl describe fcol %s", f.fleet())}, true
	}
	if c, ok := f.inUse(); !ok {
		return c, true
	}
	message := "all collectors that answer use samplingRate and interfaces"
	if f.Nameless && len(a.device.Interfaces) > 0 {
		message += fmt.Sprintf("; but flows carry no names of interfaces, since decoding.names of the FlowCollector %s does not have interfaces", fleet)
	}
	return condition{metav1.ConditionTrue, ReasonConfigured, message}, true
}

// lookAtSettings works out what FlowExporters ask for, and sees what of it the collectors' configuration has.
func (k *Keeper) lookAtSettings(ctx context.Context, fc *v1alpha1.FlowCollector, m *memory, objects []*v1alpha1.FlowExporter) error {
	from, err := k.Files.Of(ctx, objects)
	if err != nil {
		return err
	}
	m.settings = SettingsOf(objects, from)
	if len(from) > 0 || m.asked != "" {
		// The ConfigMaps are not watched: what is in them now has to be rendered.
		if asked := config.DevicesVersion(m.settings.Devices); asked != m.asked {
			m.asked = asked
			if k.Changed != nil {
				k.Changed(client.ObjectKeyFromObject(fc))
			}
		}
	}
	if len(m.settings.Devices) == 0 {
		m.configured, m.version, m.uptake = nil, "", uptake{}
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
			m.wanted = config.DevicesVersion(c.Exporters.Devices)
			m.nameless = !slices.Contains(c.Decoding.Names, config.NamesInterfaces)
		}
	}
	m.uptake = uptakeOf(m.devices, m.wanted)
	return nil
}

// uptake is how many collectors answered, and how many of them run other settings of devices than the configuration has, or do not say.
type uptake struct{ answered, former, untold int }

func uptakeOf(versions []string, wanted string) (u uptake) {
	for _, v := range versions {
		u.answered++
		switch v {
		case wanted:
		case "":
			u.untold++
		default:
			u.former++
		}
	}
	return u
}

// inUse judges whether all collectors that answer use what the configuration has. While they take up the settings of another device, those
// that were in use stay so.
func (f *Facts) inUse() (c condition, ok bool) {
	u := &f.Uptake
	if u.answered > 0 && u.former == 0 && u.untold == 0 {
		return c, true
	}
	if c := f.keep(v1alpha1.ConditionConfigured); c.status == metav1.ConditionTrue && u.former > 0 && u.untold == 0 {
		return c, false
	}
	switch {
	case u.answered == 0:
		return condition{metav1.ConditionUnknown, ReasonNotAllAnswer, "samplingRate and interfaces are in the collectors' configuration, and no collector " +
			"says whether it uses them"}, false
	case u.former > 0:
		return condition{metav1.ConditionUnknown, ReasonNotTaken, "samplingRate and interfaces are in the collectors' configuration, and some collectors " +
			"have not read it yet, which takes a minute or so; if that stays so, their logs say why: kubectl logs -n " + f.Exporter.Namespace +
			" -l app.kubernetes.io/component=collector,app.kubernetes.io/instance=" + f.Exporter.Spec.Collector}, false
	}
	return condition{metav1.ConditionUnknown, ReasonUntold, "samplingRate and interfaces are in the collectors' configuration, and not all collectors say " +
		"whether they have read it: they have an earlier version"}, false
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
