package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	controllers "github.com/flowfleet/flowfleet/controllers/fleet"
)

// Run runs the program collector in the first pod of a fleet that is ready, which has the configuration and the Secrets for NATS. Its
// standard input stays open until ctx ends: a program that is left alone may go on otherwise. It needs the right to create pods/exec.
func (c *Client) Run(ctx context.Context, f *v1alpha1.FlowCollector, out, problems io.Writer, arguments ...string) error {
	all, err := c.Collectors(ctx, f)
	if err != nil {
		return err
	}
	for _, one := range all {
		if !one.Ready {
			continue
		}
		in, hold := io.Pipe()
		defer func() { _ = hold.Close() }() // a pipe's end reports nothing
		err = c.Exec(ctx, one, in, out, problems, arguments...)
		if ctx.Err() != nil {
			err = nil // it was interrupted, as "flows" is in the end
		}
		return err
	}
	return fmt.Errorf("no collector of %s is ready: see kubectl flowfleet status %s -n %s", f.Name, f.Name, f.Namespace)
}

// Exec runs the program collector in a pod, until it ends or ctx does. It needs the right to create pods/exec.
func (c *Client) Exec(ctx context.Context, of Collector, in io.Reader, out, problems io.Writer, arguments ...string) error {
	url := c.pods.CoreV1().RESTClient().Post().Resource("pods").Namespace(of.namespace).Name(of.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: controllers.Component, Command: append([]string{"/collector"}, arguments...),
			Stdin: true, Stdout: true, Stderr: true}, clientgoscheme.ParameterCodec).URL()
	sockets, err := remotecommand.NewWebSocketExecutor(c.config, "GET", url.String())
	if err != nil {
		return err
	}
	// Servers want the right to get pods/exec for that, too; who has only the one to create it goes the older way, as with kubectl.
	older, err := remotecommand.NewSPDYExecutor(c.config, "POST", url)
	if err != nil {
		return err
	}
	executor, err := remotecommand.NewFallbackExecutor(sockets, older, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return err
	}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out, Stderr: problems})
	var status utilexec.CodeExitError
	if errors.As(err, &status) {
		return fmt.Errorf("collector %s on %s ended with status %d", arguments[0], of.Pod, status.Code)
	}
	if err != nil && strings.Contains(err.Error(), `cannot create resource "pods/exec"`) { // the way up gives no status that one could ask
		err = Lacking(err, of.namespace)
	}
	return err
}

// Lacking says of an error, for want of rights in a namespace, which ClusterRole has them.
func Lacking(err error, namespace string) error {
	return fmt.Errorf("%w; the ClusterRole flowfleet-fleet-capturer has the right to create events and pods/exec: who grants rights in "+
		"namespace %s can bind it", err, namespace)
}
