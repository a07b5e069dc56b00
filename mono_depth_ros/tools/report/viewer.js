// SPDX-License-Identifier: Apache-2.0
// A point cloud viewer in plain WebGL. Data: {"clouds": {name: {n, low, high, xyz, colors: {name: base64}}},
// "shown": the first of them, "frustum": [[x, y, z], ...], "point": metres of a point at 1 m}, positions 16-bit between low and high, in the
// camera's optical frame (x right, y down, z forward).
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("cloud-data").textContent);
  const canvas = document.getElementById("cloud");
  const gl = canvas.getContext("webgl", { antialias: true, alpha: false });
  if (!gl || !Object.keys(data.clouds).length) {
    canvas.hidden = true;
    canvas.style.display = "none";
    document.getElementById("controls").hidden = true;
    document.getElementById("controls").style.display = "none";
    if (!gl) document.getElementById("no-webgl").hidden = false;
    return;
  }

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const compile = (kind, source) => {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    return shader;
  };
  // Points keep the size their pixel had in the camera, so that surfaces stay closed when looked at from nearby.
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl.VERTEX_SHADER, `
    attribute vec3 place; attribute vec3 color;
    uniform mat4 view; uniform vec3 low, span; uniform float size, least; uniform vec4 tint; varying vec3 shade;
    void main() {
      vec3 p = low + place * span;
      gl_Position = view * vec4(p.x, -p.y, -p.z, 1.0);
      gl_PointSize = clamp(size * p.z / max(gl_Position.w, 0.05), least, 24.0);
      shade = mix(color, tint.rgb * (0.35 + 0.65 * dot(color, vec3(0.3, 0.6, 0.1))), tint.a);
    }`));
  gl.attachShader(program, compile(gl.FRAGMENT_SHADER, `
    precision mediump float; varying vec3 shade;
    void main() { gl_FragColor = vec4(shade, 1.0); }`));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  const uniform = {};
  for (const name of ["view", "low", "span", "size", "least", "tint"]) uniform[name] = gl.getUniformLocation(program, name);
  const PLACE = gl.getAttribLocation(program, "place"), COLOR = gl.getAttribLocation(program, "color");
  gl.enableVertexAttribArray(PLACE);

  const buffer = (array) => {
    const made = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, made);
    gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
    return made;
  };
  const clouds = {};
  for (const [name, cloud] of Object.entries(data.clouds)) {
    const colors = {};
    for (const [kind, text] of Object.entries(cloud.colors)) colors[kind] = buffer(bytes(text));
    clouds[name] = { ...cloud, colors, places: buffer(bytes(cloud.xyz)), span: cloud.high.map((h, i) => h - cloud.low[i]) };
  }
  const lines = buffer(new Float32Array(data.frustum.flat()));

  // The eye turns around a target in front of the camera; angles in radians, y up, z towards the viewer.
  const home = { yaw: 0.42, pitch: 0.3, distance: data.distance * 1.2, target: [0, -data.height, -data.distance * 0.85] };
  let eye, shown = data.shown, color = "image", idle = true, scheduled = false;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const reset = () => { eye = { ...home, target: [...home.target] }; };
  reset();

  const sub = (a, b) => a.map((v, i) => v - b[i]);
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => { const n = Math.hypot(...a); return a.map((v) => v / n); };
  const axes = () => {
    const back = [Math.sin(eye.yaw) * Math.cos(eye.pitch), Math.sin(eye.pitch), Math.cos(eye.yaw) * Math.cos(eye.pitch)];
    const right = unit(cross([0, 1, 0], back));
    return { back, right, up: cross(back, right) };
  };
  const FOCAL = 1.6; // of the viewer: half the height of the canvas is 1
  const matrix = () => {
    const { back, right, up } = axes();
    const from = eye.target.map((v, i) => v + back[i] * eye.distance);
    const near = Math.max(eye.distance * 0.005, 0.01), far = eye.distance * 4 + 500, aspect = canvas.width / canvas.height;
    const rows = [right, up, back].map((axis) => [...axis, -dot(axis, from)]);
    const a = (far + near) / (near - far), b = (2 * far * near) / (near - far), view = [];
    for (let column = 0; column < 4; column++) {
      view.push((rows[0][column] * FOCAL) / aspect, rows[1][column] * FOCAL, rows[2][column] * a + (column === 3 ? b : 0), -rows[2][column]);
    }
    return new Float32Array(view);
  };

  const points = (cloud, tint) => {
    gl.uniform3fv(uniform.low, cloud.low);
    gl.uniform3fv(uniform.span, cloud.span);
    gl.uniform4fv(uniform.tint, tint);
    gl.bindBuffer(gl.ARRAY_BUFFER, cloud.places);
    gl.vertexAttribPointer(PLACE, 3, gl.UNSIGNED_SHORT, true, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, cloud.colors[color] || cloud.colors.image);
    gl.enableVertexAttribArray(COLOR);
    gl.vertexAttribPointer(COLOR, 3, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.drawArrays(gl.POINTS, 0, cloud.n);
  };
  const draw = () => {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    gl.viewport(0, 0, width, height);
    gl.clearColor(0.055, 0.07, 0.086, 1);
    gl.enable(gl.DEPTH_TEST);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix4fv(uniform.view, false, matrix());
    gl.uniform1f(uniform.size, data.point * FOCAL * height / 2);
    gl.uniform1f(uniform.least, ratio);
    const both = shown === "both";
    for (const name of both ? data.pair : [shown]) {
      points(clouds[name], both ? (name !== "truth" ? [1, 0.62, 0.25, 0.75] : [0.3, 0.85, 0.8, 0.75]) : [0, 0, 0, 0]);
    }
    gl.uniform3fv(uniform.low, [0, 0, 0]);
    gl.uniform3fv(uniform.span, [1, 1, 1]);
    gl.uniform4fv(uniform.tint, [1, 1, 1, 1]);
    gl.bindBuffer(gl.ARRAY_BUFFER, lines);
    gl.vertexAttribPointer(PLACE, 3, gl.FLOAT, false, 0, 0);
    gl.disableVertexAttribArray(COLOR);
    gl.vertexAttrib3f(COLOR, 1, 1, 1);
    gl.drawArrays(gl.LINES, 0, data.frustum.length);
  };
  const request = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => { scheduled = false; draw(); });
  };
  // Until somebody takes over, the view sways a little: that makes the depth visible.
  const sway = (time) => {
    if (!idle) return;
    eye.yaw = home.yaw + 0.22 * Math.sin(time / 3200);
    draw();
    requestAnimationFrame(sway);
  };
  const take = () => { if (idle) { idle = false; } request(); };

  const pan = (dx, dy) => {
    const { right, up } = axes(), step = (2 * eye.distance) / (FOCAL * canvas.clientHeight);
    eye.target = eye.target.map((v, i) => v - right[i] * dx * step + up[i] * dy * step);
  };
  const turn = (dx, dy) => {
    eye.yaw -= dx * 0.006;
    eye.pitch = Math.min(1.5, Math.max(-1.5, eye.pitch + dy * 0.006));
  };
  const zoom = (factor) => { eye.distance = Math.min(Math.max(eye.distance * factor, 0.05), data.distance * 40); };

  const held = new Map();
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, [event.clientX, event.clientY]);
    take();
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => held.delete(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    const old = held.get(event.pointerId);
    if (!old) return;
    const now = [event.clientX, event.clientY], [dx, dy] = sub(now, old);
    if (held.size === 2) {
      const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      zoom(Math.hypot(...sub(old, other)) / Math.max(Math.hypot(...sub(now, other)), 1));
      pan(dx / 2, dy / 2);
    } else if (event.shiftKey || event.buttons & 2) pan(dx, dy);
    else turn(dx, dy);
    held.set(event.pointerId, now);
    request();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => { reset(); take(); });
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return; // somebody scrolls past
    event.preventDefault();
    zoom(Math.exp(Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) * 0.0015));
    take();
  }, { passive: false });
  const KEYS = {
    ArrowLeft: () => turn(-12, 0), ArrowRight: () => turn(12, 0), ArrowUp: () => turn(0, -12), ArrowDown: () => turn(0, 12),
    "+": () => zoom(0.9), "=": () => zoom(0.9), "-": () => zoom(1.1),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
    take();
  });
  document.getElementById("controls").addEventListener("click", (event) => {
    const { cloud, color: wanted, action } = event.target.dataset;
    if (cloud) shown = cloud;
    if (wanted) color = wanted;
    if (action === "reset") reset();
    for (const button of event.currentTarget.querySelectorAll("button[aria-pressed]")) {
      const on = button.dataset.cloud ? button.dataset.cloud === shown : button.dataset.color === color;
      button.setAttribute("aria-pressed", String(on));
    }
    if (action === "reset" || idle) take();
    request();
  });
  new ResizeObserver(request).observe(canvas);
  window.demoViewer = { draw, gl };
  if (still) idle = false;
  draw();
  if (idle) requestAnimationFrame(sway);
})();
