// A host for plugins of the Go Plugin Framework. The tests give it plugins made with PlugKit's SDK.
//
// The framework's own manager cannot be used: package manager does not compile (unused variables and an unused import),
// and registry asks for a process's stdout only after it has started it, which os/exec refuses. What does build is used
// here: its types, and the client that makes the calls (registry/plugins.Call). The rest follows the manager that the
// framework was taken from: capabilities first, start on first use, a line with the address among others on stdout or
// stderr, any answer to GET /healthz means ready, and SIGINT at the end, with a wait.
//
//	host DIR                                  lists what is there
//	host DIR KIND ENDPOINT METHOD [JSON]      one call; prints the answer
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/Skarlso/go-plugin-framework/registry/plugins"
	"github.com/Skarlso/go-plugin-framework/types"
)

type running struct {
	types.Plugin
	location string
	client   *http.Client
}

// find runs `capabilities` of every file without an extension. One that fails fails all.
func find(ctx context.Context, dir string) ([]*running, error) {
	var found []*running
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(entry.Name()) != "" {
			return err
		}
		plugin := &running{Plugin: types.Plugin{ID: entry.Name(), Path: path}}
		cmd := exec.CommandContext(ctx, path, "capabilities")
		cmd.Stderr = os.Stderr
		output, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("failed to start plugin %s: %w", plugin.ID, err)
		}
		var capabilities types.PluginCapabilities
		if err := json.Unmarshal(output, &capabilities); err != nil {
			return fmt.Errorf("failed to unmarshal capabilities of %s: %w", plugin.ID, err)
		}
		plugin.Types = capabilities.Types
		found = append(found, plugin)
		return nil
	})
	if err == nil && len(found) == 0 {
		err = errors.New("no plugins found")
	}
	return found, err
}

func (p *running) start(ctx context.Context) error {
	idle := time.Hour
	p.Config = types.Config{ID: p.ID, Type: types.Socket, IdleTimeout: &idle}
	config, err := json.Marshal(p.Config)
	if err != nil {
		return err
	}
	p.Cmd = exec.CommandContext(ctx, p.Path, "--config", string(config))
	stdout, err := p.Cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := p.Cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := p.Cmd.Start(); err != nil {
		return err
	}
	if p.location, err = location(stdout, stderr); err != nil {
		return err
	}
	p.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(p.location, "http+unix://"))
		},
	}}
	go func() { _, _ = io.Copy(os.Stderr, stderr) }()
	return p.ready(ctx)
}

func location(stdout, stderr io.Reader) (string, error) {
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(io.MultiReader(stdout, stderr))
		for lines.Scan() {
			if line := lines.Text(); strings.HasPrefix(line, "http://") || strings.HasPrefix(line, "http+unix://") {
				found <- line
				return
			}
		}
	}()
	select {
	case line, ok := <-found:
		if ok {
			return line, nil
		}
		return "", errors.New("the plugin ended without saying where it listens")
	case <-time.After(30 * time.Second):
		return "", errors.New("timed out waiting for server to start")
	}
}

func (p *running) ready(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-tick.C {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://unix/healthz", nil)
		if err != nil {
			return err
		}
		if answer, err := p.client.Do(request); err == nil {
			return answer.Body.Close()
		}
	}
	return fmt.Errorf("timed out waiting for plugin %s", p.ID)
}

func (p *running) stop(ctx context.Context) error {
	if err := p.Cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, p.Cmd.Process.Kill())
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Cmd.Process.Kill())
	}
}

func list(found []*running) {
	for _, plugin := range found {
		kinds := make([]string, 0, len(plugin.Types))
		for kind := range plugin.Types {
			kinds = append(kinds, kind)
		}
		sort.Strings(kinds)
		for _, kind := range kinds {
			for _, info := range plugin.Types[kind] {
				fmt.Println(plugin.ID, kind, info.Type, len(info.JSONSchema))
			}
		}
	}
}

func call(ctx context.Context, found []*running, args []string) (err error) {
	for _, plugin := range found {
		if _, provides := plugin.Types[args[0]]; !provides {
			continue
		}
		if err := plugin.start(ctx); err != nil {
			return fmt.Errorf("failed to start plugin: %s, %w", plugin.ID, err)
		}
		defer func() {
			patience, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			err = errors.Join(err, plugin.stop(patience))
		}()
		var result any
		options := []plugins.CallOptionFn{plugins.WithResult(&result)}
		if len(args) > 3 {
			options = append(options, plugins.WithPayload(json.RawMessage(args[3])))
		}
		for range 2 { // the second call takes the connection of the first
			if err := plugins.Call(ctx, plugin.client, types.Socket, plugin.location, args[1], args[2], options...); err != nil {
				return err
			}
		}
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		if err := encoder.Encode(result); err != nil {
			return err
		}
		fmt.Print(text.String())
		return nil
	}
	return fmt.Errorf("no plugin found for type %q", args[0])
}

func main() {
	args := os.Args[1:]
	if len(args) != 1 && (len(args) < 4 || len(args) > 5) {
		fmt.Fprintln(os.Stderr, "usage: host DIR [KIND ENDPOINT METHOD [JSON]]")
		os.Exit(2)
	}
	ctx := context.Background()
	found, err := find(ctx, args[0])
	if err == nil && len(args) == 1 {
		list(found)
	} else if err == nil {
		err = call(ctx, found, args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
