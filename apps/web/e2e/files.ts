import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { direct } from '@parley/testkit'
import { expect, test } from 'vitest'
import { pair, someone } from './people.ts'
import { solidPng } from './pictures.ts'
import type { Stage } from './stage.ts'
import { gone, seen } from './visitor.ts'

export function fileTests(stage: () => Stage): void {
  test('a picture is uploaded, seen by the other person, and opened in the viewer', async () => {
    const { omar, lena, enter } = await pair(stage())
    const [atOmars, atLenas] = [await enter(omar), await enter(lena, { gateway: 1 })]
    await atOmars.attach({ name: 'harbour.png', mimeType: 'image/png', buffer: solidPng(320, 200) })
    await atOmars.composer.fill('The harbour')
    await atOmars.button('Send').click()
    for (const visitor of [atOmars, atLenas]) {
      const picture = visitor.message('The harbour').getByRole('button', { name: 'View harbour.png' })
      await seen(picture)
      const image = picture.getByRole('img', { name: 'harbour.png' })
      await expect.poll(() => image.evaluate((it) => (it instanceof HTMLImageElement ? it.naturalWidth : 0))).toBe(320)
    }
    await atLenas.message('The harbour').getByRole('button', { name: 'View harbour.png' }).click()
    const viewer = atLenas.dialog('harbour.png')
    await seen(viewer.getByRole('img'))
    await seen(viewer.getByRole('link', { name: 'Download harbour.png' }))
    await atLenas.page.keyboard.press('Escape')
    await gone(viewer)
  })

  test('a file is dropped and a picture pasted; anything but a picture is a card to download', async () => {
    const { omar, enter } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.page.getByRole('main').evaluate((main) => {
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File(['name,count\nboat,3\n'], 'boats.csv', { type: 'text/csv' }))
      for (const type of ['dragenter', 'dragover', 'drop']) {
        main.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }))
      }
    })
    await seen(visitor.button('Remove boats.csv'))
    await visitor.composer.press('Enter')
    const card = visitor.log.getByRole('link', { name: 'Download boats.csv' })
    await seen(card)
    const url = (await card.getAttribute('href')) ?? ''
    expect(await (await fetch(url)).text()).toBe('name,count\nboat,3\n')

    const bytes = [...solidPng(64, 64)]
    await visitor.composer.evaluate((area, content) => {
      const clipboardData = new DataTransfer()
      clipboardData.items.add(new File([new Uint8Array(content)], 'pasted.png', { type: 'image/png' }))
      area.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
    }, bytes)
    await seen(visitor.button('Remove pasted.png'))
    await visitor.composer.press('Enter')
    await seen(visitor.log.getByRole('button', { name: 'View pasted.png' }))
  })

  test('a file is downloaded and a picture viewed after their URLs have expired', async () => {
    const { visit, omar, lena } = await pair(stage())
    const visitor = await visit(omar)
    const { page } = visitor
    // The history as loaded long ago: its URLs are broken, those fetched later are not.
    let ended = true
    await visitor.intercept(/\/messages\?/, async (route) => {
      const answer = await route.fetch()
      const text = await answer.text()
      await route.fulfill({ response: answer, body: ended ? text.replaceAll('X-Amz-Signature=', '$&0') : text })
    })
    await visitor.open(lena.fullName)
    const files = [
      { name: 'boats.csv', mimeType: 'text/csv', buffer: Buffer.from('name,count\nboat,3\n') },
      { name: 'harbour.png', mimeType: 'image/png', buffer: solidPng(320, 200) },
    ]
    await visitor.attach(files)
    await visitor.button('Send').click()
    const card = visitor.log.getByRole('link', { name: 'Download boats.csv' })
    const picture = visitor.log.getByRole('button', { name: 'View harbour.png' })
    await seen(card)
    await seen(picture)
    await page.reload()
    await seen(card)
    ended = false
    const download = page.waitForEvent('download')
    await card.click()
    expect((await download).suggestedFilename()).toBe('boats.csv')
    await picture.click()
    const image = visitor.dialog('harbour.png').getByRole('img')
    await expect.poll(() => image.evaluate((it) => (it instanceof HTMLImageElement ? it.naturalWidth : 0))).toBe(320)
    // The browser logs the expired URLs.
    expect(visitor.problems.splice(0).every((problem) => problem.includes('status of 403'))).toBe(true)
  })

  test('an upload shows its progress and can be cancelled', async () => {
    const { cluster, omar, id, enter } = await pair(stage())
    const visitor = await enter(omar)
    // A slow connection: two megabytes would take a minute.
    const session = await visitor.context.newCDPSession(visitor.page)
    await session.send('Network.enable')
    await session.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: 32 * 1024,
    })
    await visitor.attach({
      name: 'big.bin',
      mimeType: 'application/octet-stream',
      buffer: Buffer.alloc(2 * 1024 * 1024, 7),
    })
    await visitor.button('Send').click()
    await seen(visitor.page.getByRole('progressbar', { name: 'Uploading big.bin' }))
    // The upload would be lost with the page, so the browser asks first.
    const asked = visitor.page.waitForEvent('dialog')
    await visitor.page.close({ runBeforeUnload: true })
    const question = await asked
    expect(question.type()).toBe('beforeunload')
    await question.dismiss()
    await visitor.button('Cancel upload of big.bin').click()
    await gone(visitor.page.getByRole('progressbar'))
    await session.detach()
    await visitor.say('Never mind')
    const { rows } = await cluster.sql.query('select content from messages where conversation_id = $1', [id])
    expect(rows).toEqual([{ content: 'Never mind' }])
  })

  test('any number of chosen files stay chosen while another conversation is open', async () => {
    const { cluster, omar, lena, enter } = await pair(stage())
    const yuki = someone('Yuki')
    await direct(cluster, omar, yuki)
    const visitor = await enter(omar)
    const notes = Array.from({ length: 12 }, (_, n) => ({
      name: `note-${n + 1}.txt`,
      mimeType: 'text/plain',
      buffer: Buffer.from(`Note ${n + 1}`),
    }))
    await visitor.attach(notes)
    const chosen = visitor.button(/^Remove note-/)
    await expect.poll(() => chosen.count()).toBe(12)
    await visitor.open(yuki.fullName)
    expect(await chosen.count()).toBe(0)
    await visitor.open(lena.fullName)
    expect(await chosen.count()).toBe(12)
    await visitor.button('Send').click()
    await seen(visitor.log.getByRole('link', { name: 'Download note-12.txt' }))
    expect(await chosen.count()).toBe(0)
  })

  test('a picture stays open in the viewer, however many messages arrive', async () => {
    const { omar, lena, enter, post } = await pair(stage())
    const visitor = await enter(omar)
    await visitor.attach({ name: 'harbour.png', mimeType: 'image/png', buffer: solidPng(32, 20) })
    await visitor.button('Send').click()
    await visitor.button('View harbour.png').click()
    const viewer = visitor.dialog('harbour.png')
    await seen(viewer)
    await Promise.all(Array.from({ length: 39 }, (_, index) => post(lena, `Message ${index + 1}.`)))
    await post(lena, 'Message 40.')
    // The page under it is hidden from screen readers now.
    await visitor.page.locator('article', { hasText: 'Message 40.' }).waitFor()
    await seen(viewer.getByRole('img'))
  })

  test('a file that could not be sent is retried automatically; a refused one says why', async () => {
    const { omar, enter } = await pair(stage())
    const visitor = await enter(omar)
    const send = async (name: string) => {
      await visitor.attach({ name, mimeType: 'text/plain', buffer: Buffer.from(name) })
      await visitor.button('Send').click()
    }
    // The socket stays open, so no reconnect tells the page to retry.
    await visitor.intercept(/\/messages$/, (route) => route.abort('connectionrefused'), { times: 1 })
    await send('boats.txt')
    await seen(visitor.log.getByRole('link', { name: 'Download boats.txt' }))

    const message = 'Files of this type may not be sent here.'
    const body = { success: false, message, error: { code: 'FILE_TYPE_NOT_ALLOWED', message } }
    await visitor.intercept(/\/messages$/, (route) => route.fulfill({ status: 415, json: body }), { times: 1 })
    await send('ships.txt')
    await seen(visitor.log.getByText('Not sent'))
    await seen(visitor.log.getByText(message))
    await visitor.button('Try again').click()
    await seen(visitor.log.getByRole('link', { name: 'Download ships.txt' }))
    expect(visitor.problems.splice(0)).toEqual([expect.stringContaining('status of 415')])
  })

  test('a video that the browser cannot play is a card to download', async () => {
    const { omar, enter } = await pair(stage())
    const visitor = await enter(omar)
    const buffer = Buffer.concat([Buffer.from('RIFF\xf0\0\0\0AVI LIST', 'latin1'), Buffer.alloc(232)])
    await visitor.attach({ name: 'old.avi', mimeType: 'video/avi', buffer })
    await visitor.button('Send').click()
    await seen(visitor.log.getByRole('link', { name: 'Download old.avi' }))
  })

  test('if the browser blocks the object store, files are sent as forms, and larger ones say that they are too large', async () => {
    // An object store that answers, but has no CORS rule.
    let asked = 0
    const store = createServer((_, answer) => {
      asked++
      answer.end()
    }).listen(0, '127.0.0.1')
    await once(store, 'listening')
    const { port } = store.address() as AddressInfo
    const { omar, enter } = await pair(stage())
    // The page’s policy allows only its own cluster’s object store.
    const visitor = await enter(omar, { bypassCSP: true })
    await visitor.page.addInitScript((url) => {
      const ask = fetch
      globalThis.fetch = async (input, init) => {
        const answer = await ask(input, init)
        if (!String(input).endsWith('/attachments')) return answer
        const body = await answer.json()
        for (const part of body.data.parts) part.url = url
        return Response.json(body)
      }
    }, `http://127.0.0.1:${port}/`)
    await visitor.page.reload()
    const send = async (name: string, bytes: number) => {
      await visitor.composer.evaluate(
        (area, [named, size]) => {
          const clipboardData = new DataTransfer()
          clipboardData.items.add(new File([new Uint8Array(size)], named))
          area.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
        },
        [name, bytes] as const,
      )
      await seen(visitor.button(`Remove ${name}`))
      await visitor.button('Send').click()
    }
    await send('film.bin', 8 * 1024 * 1024 + 1)
    await seen(visitor.log.getByRole('link', { name: 'Download film.bin' }))
    expect(asked).toBeGreaterThan(0)
    const before = asked
    await send('second-film.bin', 8 * 1024 * 1024 + 1)
    await seen(visitor.log.getByRole('link', { name: 'Download second-film.bin' }))
    // By now the page knows.
    expect(asked).toBe(before)
    await send('long-film.bin', 25 * 1024 * 1024 + 1)
    await seen(visitor.log.getByText('Not sent'))
    await seen(visitor.log.getByText('This file is too large to be sent from this page.'))
    for (const problem of visitor.problems.splice(0))
      expect(problem).toMatch(/request to another origin|CORS policy|ERR_FAILED/)
    store.close()
  })
}
