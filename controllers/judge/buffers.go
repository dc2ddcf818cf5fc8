package judge

import (
	"fmt"
	"slices"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// datagramBytes is what the kernel accounts for a datagram that fits an Ethernet frame (its truesize). It doubles the buffer that is
// asked for.
const datagramBytes = 2304

// receiveBuffersGranted says whether nodes give sockets the receive buffers that they are asked for.
func (j *judgement) receiveBuffersGranted() said {
	if s := j.unreachable(); s != nil {
		return *s
	}
	var asked int64
	smaller := j.those(func(c *collector) string {
		for i := range c.Now.Listeners {
			l := &c.Now.Listeners[i]
			if l.GrantedBytes > 0 && l.GrantedBytes < l.AskedBytes {
				asked = max(asked, l.AskedBytes)
				return fmt.Sprintf("each worker of %s asks for %d bytes and has %d in all its sockets, about %d datagrams", l.Name, l.AskedBytes, l.GrantedBytes,
					2*l.GrantedBytes/datagramBytes)
			}
		}
		return ""
	})
	if len(smaller) > 0 {
		todo := fmt.Sprintf("set the sysctl net.core.rmem_max=%d on the nodes (a collector that starts later takes it up), have a privileged "+
			"container set it (collector.nodeTuning: ReceiveBuffer), or ask for less in listeners.receiveBuffer", asked)
		if j.Collector.Spec.Collector.NodeTuning == v1alpha1.NodeTuningReceiveBuffer {
			todo = fmt.Sprintf("the log of their container tune-node says why collector.nodeTuning has not changed it (kubectl logs -n %s -c "+
				"tune-node and the pod's name); set the sysctl net.core.rmem_max=%d on the nodes yourself, or ask for less in "+
				"listeners.receiveBuffer", j.Collector.Namespace, asked)
		}
		out := isFalse(ReasonBuffersSmaller, "%d of %d collectors that answer have smaller receive buffers than they ask for, and lose bursts: %s; %s",
			len(smaller), len(j.answering()), some(smaller), todo)
		out.harmless = true // a default node is so; what is lost for it, NothingLost tells
		return out
	}
	if !slices.ContainsFunc(j.answering(), func(c collector) bool { return c.Now.Begun && len(c.Now.Listeners) > 0 }) {
		return isUnknown(ReasonPending, "no collector that answers has opened its sockets yet")
	}
	return isTrue(ReasonGranted, "the sockets have the receive buffers that they ask for")
}
