'use strict';
(() => {
  const $ = id => document.getElementById(id);
  const data = JSON.parse($('data').textContent);
  const bytes = atob($('maps').textContent);
  const tokens = data.tokens, layers = data.layers, n = tokens.length;
  const nHeads = layers[0].heads.length, cells = n * (n + 1) / 2;
  const state = {token: n - 1, layer: layers.length - 1, head: 0};
  const make = (tag, text, kind) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (kind) e.className = kind;
    return e;
  };
  const percent = p => p >= 0.9995 ? '100 %' : p >= 0.1 ? (100 * p).toFixed(1) + ' %' : (100 * p).toPrecision(2) + ' %';
  const shown = t => '\u201c' + tokens[t].text + '\u201d';
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const tint = (name, share) => 'rgba(' + color(name) + ',' + Math.min(1, Math.max(0, share)).toFixed(3) + ')';
  const weight = (layer, head, t, i) => {
    const b = bytes.charCodeAt((layer * nHeads + head) * cells + t * (t + 1) / 2 + i) / 255;
    return b * b;
  };

  // ---- header and text ----
  $('name').textContent = data.model;
  const facts = [['tokens', n], ['bits a token', data.mean_bits === null ? '\u2013' : data.mean_bits.toFixed(3)],
    ['perplexity', data.perplexity === null ? '\u2013' : data.perplexity.toPrecision(4)], ['layers shown', layers.length], ['heads', nHeads]];
  for (const [what, value] of facts) {
    const e = make('span', what + ' ');
    e.append(make('b', String(value)));
    $('facts').append(e);
  }
  const chips = tokens.map((token, t) => {
    const e = make('button', token.text);
    e.type = 'button';
    e.title = '#' + t + ' ' + token.text + (t === 0 ? '' : '\n' + token.bits.toFixed(2) + ' bits, rank ' + token.rank);
    e.addEventListener('click', () => choose({token: t}));
    $('strip').append(e);
    if (token.text.includes('\u23ce')) $('strip').append(make('br'));
    return e;
  });
  $('strip').addEventListener('keydown', event => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const t = state.token + step;
    if (step === 0 || t < 0 || t >= n) return;
    event.preventDefault();
    choose({token: t});
    chips[t].focus();
  });
  const MOST = 16; // bits
  function drawStrip() {
    const isBits = $('strip-mode').value === 'bits';
    const name = isBits ? '--warm' : '--cool';
    chips.forEach((chip, t) => {
      const share = isBits ? (t === 0 ? 0 : tokens[t].bits / MOST) : t > state.token ? 0 : Math.sqrt(weight(state.layer, state.head, state.token, t));
      chip.style.background = share > 0 ? tint(name, 0.8 * Math.min(1, share)) : 'transparent';
      chip.setAttribute('aria-pressed', t === state.token);
    });
    $('strip-scale').style.background = 'linear-gradient(to right, transparent, ' + tint(name, 0.8) + ')';
    $('strip-most').textContent = isBits ? MOST + ' bits and more' : 'all';
    $('strip-hint').textContent = isBits
      ? 'How surprised the model was by each token: -log2 of the probability that it gave it. Choose a token to see what was expected.'
      : 'Where ' + shown(state.token) + ' looks, in layer ' + layers[state.layer].layer + ', head ' + state.head + '.';
  }

  // ---- the chosen token ----
  function drawGuesses(box, top, own) {
    box.textContent = '';
    if (!top) { box.append(make('p', 'Nothing came before the first token.', 'hint')); return; }
    for (const guess of top) {
      const row = make('div', undefined, guess.id === own ? 'guess own' : 'guess');
      const bar = make('i');
      bar.style.width = (100 * guess.p).toFixed(2) + '%';
      const name = make('span', guess.text);
      name.title = guess.text + ' (' + guess.id + ')';
      row.append(name, bar, make('em', percent(guess.p)));
      box.append(row);
    }
  }
  function drawToken() {
    const t = state.token, token = tokens[t];
    $('token-hint').textContent = '#' + t + ' ' + shown(t) + ', id ' + token.id + (t === 0 ? '' : ': ' + token.bits.toFixed(2) +
      ' bits, number ' + token.rank + ' of what was expected') + '. Entropy of what comes next: ' + token.entropy.toFixed(2) + ' bits.';
    drawGuesses($('expected'), t === 0 ? null : tokens[t - 1].next, token.id);
    drawGuesses($('next'), token.next, t + 1 < n ? tokens[t + 1].id : -1);
  }

  // ---- the lens ----
  const columns = tokens.map(() => []);
  const lensCells = [];
  function makeLens() {
    const head = make('thead'), top = make('tr');
    top.append(make('th', 'layer'));
    tokens.forEach((token, t) => { const e = make('th', token.text); e.title = '#' + t + ' ' + token.text; columns[t].push(e); top.append(e); });
    head.append(top);
    const body = make('tbody');
    for (let at = layers.length - 1; at >= 0; at--) {
      const row = make('tr');
      row.append(make('th', String(layers[at].layer)));
      layers[at].lens.forEach((guesses, t) => {
        const hit = t + 1 < n && guesses[0].id === tokens[t + 1].id;
        const e = make('td', guesses[0].text, hit ? 'hit' : '');
        const bits = layers[at].lens_bits[t];
        e.title = 'layer ' + layers[at].layer + ' after ' + shown(t) + '\n' + guesses.map(g => percent(g.p) + '  ' + g.text).join('\n') +
          (bits === null ? '' : '\n' + bits.toFixed(2) + ' bits for ' + shown(t + 1));
        e.addEventListener('click', () => choose({token: t, layer: at}));
        lensCells.push([e, guesses[0].p]);
        columns[t].push(e);
        row.append(e);
      });
      body.append(row);
    }
    $('lens').append(head, body);
  }
  function drawLens() {
    for (const [e, p] of lensCells) e.style.background = tint('--cool', 0.75 * p);
    markLens();
  }
  let marked = -1;
  function markLens() {
    if (marked >= 0) for (const e of columns[marked]) e.classList.remove('on');
    marked = state.token;
    for (const e of columns[marked]) e.classList.add('on');
  }

  // ---- attention ----
  function fill(select, list) {
    list.forEach(([value, text]) => { const e = make('option', text); e.value = value; select.append(e); });
  }
  function plot(canvas, width, height, cell, at) {
    canvas.width = width; canvas.height = height;
    canvas.style.width = width * cell + 'px'; canvas.style.height = height * cell + 'px';
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, width, height);
    const image = context.createImageData(width, height);
    const rgb = color('--cool').split(',').map(Number);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) image.data.set([rgb[0], rgb[1], rgb[2], 255 * at(x, y)], 4 * (y * width + x));
    }
    context.putImageData(image, 0, 0);
  }
  // a frame around cells [x, x + width) of row y
  function frame(mark, canvas, x, y, width) {
    Object.assign(mark.style, {left: 100 * x / canvas.width + '%', width: 100 * width / canvas.width + '%',
      top: 100 * y / canvas.height + '%', height: 100 / canvas.height + '%'});
  }
  function drawMarks() {
    frame($('head-mark'), $('heads'), state.head, layers.length - 1 - state.layer, 1);
    frame($('map-mark'), $('map'), 0, state.token, state.token + 1);
  }
  const measured = () => {
    const what = $('measure').value, most = what === 'entropy' ? Math.max(0.01, Math.log2(n)) : 1;
    return (at, head) => Math.min(1, layers[at].heads[head][what] / most);
  };
  function drawHeads() {
    const value = measured();
    const cell = Math.max(8, Math.min(22, Math.floor(420 / Math.max(nHeads, layers.length))));
    plot($('heads'), nHeads, layers.length, cell, (x, y) => value(layers.length - 1 - y, x));
    sayHead(state.layer, state.head);
  }
  function sayHead(at, head) {
    const h = layers[at].heads[head];
    $('heads-said').textContent = 'layer ' + layers[at].layer + ', head ' + head + ': first ' + percent(h.first) + ', itself ' + percent(h.self) +
      ', before ' + percent(h.previous) + ', entropy ' + h.entropy.toFixed(2) + ' bits';
  }
  function drawMap() {
    const cell = Math.max(1, Math.min(24, Math.floor(520 / n)));
    plot($('map'), n, n, cell, (x, y) => x > y ? 0 : Math.sqrt(weight(state.layer, state.head, y, x)));
    sayMap(state.token, null);
  }
  function sayMap(t, i) {
    const box = $('map-said');
    if (i !== null && i <= t) {
      box.textContent = '#' + t + ' ' + shown(t) + ' looks at #' + i + ' ' + shown(i) + ': ' + percent(weight(state.layer, state.head, t, i));
      return;
    }
    const looks = [];
    for (let k = 0; k <= t; k++) looks.push([weight(state.layer, state.head, t, k), k]);
    looks.sort((a, b) => b[0] - a[0]);
    box.textContent = '#' + t + ' ' + shown(t) + ' looks at ' + looks.slice(0, 4).map(([w, k]) => shown(k) + ' ' + percent(w)).join(', ');
  }
  const place = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    return [Math.min(canvas.width - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * canvas.width))),
      Math.min(canvas.height - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * canvas.height)))];
  };
  $('heads').addEventListener('pointermove', event => { const [x, y] = place($('heads'), event); sayHead(layers.length - 1 - y, x); });
  $('heads').addEventListener('click', event => { const [x, y] = place($('heads'), event); choose({layer: layers.length - 1 - y, head: x}); });
  $('heads').addEventListener('pointerleave', () => sayHead(state.layer, state.head));
  $('map').addEventListener('pointermove', event => { const [x, y] = place($('map'), event); sayMap(y, x); });
  $('map').addEventListener('click', event => choose({token: place($('map'), event)[1]}));
  $('map').addEventListener('pointerleave', () => sayMap(state.token, null));
  const arrows = (id, move) => $(id).addEventListener('keydown', event => {
    const by = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (by) { event.preventDefault(); move(by[0], by[1]); }
  });
  const inside = (value, end) => Math.min(end - 1, Math.max(0, value));
  arrows('heads', (x, y) => choose({head: inside(state.head + x, nHeads), layer: inside(state.layer - y, layers.length)}));
  arrows('map', (x, y) => choose({token: inside(state.token + x + y, n)}));

  // ---- norms ----
  const KINDS = [['residual', '--cool'], ['attention', '--warm'], ['feed_forward', '--third']];
  function drawNorms() {
    const canvas = $('norms'), width = Math.min(1160, Math.max(320, canvas.parentElement.clientWidth - 40)), height = 260;
    const dots = window.devicePixelRatio || 1, c = canvas.getContext('2d');
    canvas.width = width * dots; canvas.height = height * dots;
    canvas.style.width = width + 'px'; canvas.style.height = height + 'px';
    c.scale(dots, dots);
    const mean = list => list.reduce((a, b) => a + b, 0) / n;
    const pick = $('norm-of').value === 'mean' ? mean : list => list[state.token];
    const series = KINDS.map(([kind]) => layers.map(l => Math.max(1e-9, pick(l.norms[kind]))));
    const low = Math.floor(Math.log10(Math.min(...series.flat()))), high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...series.flat()))));
    const left = 52, right = 12, top = 10, bottom = 26;
    const x = i => left + (layers.length < 2 ? 0.5 : i / (layers.length - 1)) * (width - left - right);
    const y = v => top + (high - Math.log10(v)) / (high - low) * (height - top - bottom);
    c.font = '12px system-ui, sans-serif'; c.lineWidth = 1;
    c.strokeStyle = color('--line'); c.fillStyle = color('--soft'); c.textAlign = 'right'; c.textBaseline = 'middle';
    for (let e = low; e <= high; e++) {
      c.beginPath(); c.moveTo(left, y(10 ** e)); c.lineTo(width - right, y(10 ** e)); c.stroke();
      c.fillText(e >= 0 && e < 5 ? String(10 ** e) : '1e' + e, left - 8, y(10 ** e));
    }
    c.textAlign = 'center'; c.textBaseline = 'top';
    const every = Math.ceil(layers.length / 24);
    layers.forEach((l, i) => { if (i % every === 0) c.fillText(String(l.layer), x(i), height - bottom + 8); });
    KINDS.forEach(([, name], k) => {
      c.strokeStyle = c.fillStyle = 'rgb(' + color(name) + ')'; c.lineWidth = 2; c.lineJoin = 'round';
      c.beginPath();
      series[k].forEach((v, i) => i === 0 ? c.moveTo(x(i), y(v)) : c.lineTo(x(i), y(v)));
      c.stroke();
      if (layers.length <= 40) series[k].forEach((v, i) => { c.beginPath(); c.arc(x(i), y(v), 3, 0, 7); c.fill(); });
    });
    const say = i => { $('norms-said').textContent = 'layer ' + layers[i].layer + ': ' + KINDS.map(([kind], k) => kind.replace('_', '-') + ' ' + series[k][i].toPrecision(4)).join(', '); };
    canvas.onpointermove = event => {
      const at = event.clientX - canvas.getBoundingClientRect().left;
      say(inside(Math.round((at - left) / (width - left - right) * (layers.length - 1)), layers.length));
    };
    say(state.layer);
  }
  for (const [kind, name] of KINDS) {
    const e = make('span', kind.replace('_', '-'), 'key');
    e.style.setProperty('--c', 'rgb(var(' + name + '))');
    $('norm-key').append(e);
  }

  // ---- together ----
  function choose(change) {
    Object.assign(state, change);
    $('layer').value = state.layer; $('head').value = state.head;
    drawStrip(); drawToken(); markLens(); sayHead(state.layer, state.head); drawNorms();
    if ('layer' in change || 'head' in change) drawMap(); else sayMap(state.token, null);
    drawMarks();
  }
  function drawAll() { drawStrip(); drawToken(); drawLens(); drawHeads(); drawMap(); drawMarks(); drawNorms(); }
  fill($('layer'), layers.map((l, at) => [at, String(l.layer)]));
  fill($('head'), layers[0].heads.map((_, head) => [head, String(head)]));
  $('layer').value = state.layer;
  $('layer').addEventListener('change', () => choose({layer: Number($('layer').value)}));
  $('head').addEventListener('change', () => choose({head: Number($('head').value)}));
  $('strip-mode').addEventListener('change', drawStrip);
  $('measure').addEventListener('change', drawHeads);
  $('norm-of').addEventListener('change', drawNorms);
  window.addEventListener('resize', drawNorms);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  makeLens();
  drawAll();
})();
