package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
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
		request := c.pods.CoreV1().RESTClient().Post().Resource("pods").Namespace(f.Namespace).Name(one.Pod).SubResource("exec").
			VersionedParams(&corev1.PodExecOptions{Container: "collector", Command: append([]string{"/collector"}, arguments...),
				Stdin: true, Stdout: true, Stderr: true}, clientgoscheme.ParameterCodec)
		executor, err := remotecommand.NewWebSocketExecutor(c.config, "GET", request.URL().String())
		if err != nil {
			return err
		}
		in, hold := io.Pipe()
		defer func() { _ = hold.Close() }() // a pipe's end reports nothing
		err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out, Stderr: problems})
		if ctx.Err() != nil {
			err = nil // it was interrupted, as "flows" is in the end
		}
		var status utilexec.CodeExitError
		if errors.As(err, &status) {
			return fmt.Errorf("collector %s on %s ended with status %d", arguments[0], one.Pod, status.Code)
		}
		return err
	}
	return fmt.Errorf("no collector of %s is ready: see kubectl flowfleet status %s", f.Name, f.Name)
}
